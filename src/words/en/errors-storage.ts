/** Where repositories and volumes are kept: the part of `errors.ts` that is about it. */
export const storageErrors = {
  "storage-not-found": {
    text: "A file of the repository is not there[[: {path}]].",
    hint: "Check that the repository's folder is complete; `holdfast verify` lists what is missing.",
  },
  "storage-exists": {
    text: "A file is already there[[: {path}]].",
    hint: "Nothing was overwritten. Choose another place, or move the file away.",
  },
  "storage-full": {
    text: "The storage of the repository is full[[ ({path})]].",
    hint: 'Free some space there and run the command again: what was stored already is used. `docs/retention.md` says how, under "When the disk is full".',
  },
  "storage-denied": {
    text: "No permission for {path}[[ ({reason})]].",
    hint: "Run as the user that owns the repository, or give this user the right to read and write there.",
  },
  "storage-append-only": {
    text: "{location} does not let this login delete anything[[ ({reason})]].",
    hint: "That protects the backups. Run `holdfast forget` and `holdfast prune` with a login that may delete, or on the server.",
  },
  "storage-unreachable": {
    text: "The storage of the repository cannot be reached[[ ({path})]][[: {reason}]].",
    hint: "Check that it is mounted or online, and try again.",
  },
  "storage-failed": {
    text: "Reading or writing the repository failed[[ at {path}]][[: {reason}]].",
    hint: "Check the disk, then run `holdfast verify`.",
  },
  "storage-address": {
    text: "{location} is no place that backups can be kept in[[ ({reason})]].",
    hint: "Write a path or, for example, s3:https://HOST/BUCKET/PREFIX without a password in it, and check the host's name.",
  },
  "storage-login": {
    text: "The storage does not accept the login[[ at {location}]][[ ({reason})]].",
    hint: "Check the user and the password, or the key and its secret or passphrase: they may be mistyped, expired or not set at all.",
  },
  "storage-missing": {
    text: "There is no bucket {bucket}[[ at {location}]].",
    hint: "Check its name; `holdfast init` makes it, if the access key may.",
  },
  "storage-region": {
    text: "Bucket {bucket} is not in the region that was asked for[[, but in {region}]].",
    hint: "Set AWS_REGION to the bucket's region, or for a new bucket to one that the server has.",
  },
  "storage-clock": {
    text: "The clock of this machine and that of the storage are too far apart[[ ({reason})]].",
    hint: "Set this machine's clock, best by NTP, and run the command again.",
  },
  "storage-certificate": {
    text: "The certificate of {location} is not trusted[[ ({reason})]].",
    hint: "If the authority is your own, name its certificate's file in the environment variable NODE_EXTRA_CA_CERTS. Otherwise somebody may be in between.",
  },
  "storage-host-unknown": {
    text: "The host {host} is not known[[: it shows a key with the fingerprint {fingerprint}]].",
    hint: "Compare it on the server: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. If it is the same, add this line to {file}: {line}",
  },
  "storage-host-changed": {
    text: "The host {host} shows another key than the known one[[, with the fingerprint {fingerprint}]]. Somebody may be in between.",
    hint: "If you know why it changed: `ssh-keygen -R '{host}' -f {file}`, and add this line to that file: {line}",
  },
  "storage-program": {
    text: "Storage of the kind `{kind}:` needs the program {program}, which is not installed.",
    hint: "Install OpenSSH's client: `apt-get install openssh-client`.",
  },
  "storage-lock-unsupported": {
    text: "{location} cannot keep backups from being deleted[[ (bucket {bucket})]].",
    hint: "Object Lock (Google: retention of objects, with versions) is turned on when a bucket is made: choose a new one, which `holdfast init` makes with it. On Azure, turn on version-level immutability of the container. Or take `lock:` out of holdfast.yaml.",
  },
  "cold-unsupported": {
    text: "{location} cannot keep files in a cold class.",
    hint: "Only S3, Azure and Google Cloud Storage can: take `cold:` out of holdfast.yaml.",
  },
  "parity-unsupported": {
    text: "{location} has no place for parity.",
    hint: "restic's REST protocol knows no such files: take `parity:` out of holdfast.yaml, or keep the repository elsewhere.",
  },
  "storage-no-versions": {
    text: "{location} keeps no old versions, so it cannot be read as of a moment.",
    hint: "--as-of needs a bucket with versions (Object Lock turns them on).",
  },
  "storage-read-only": {
    text: "A repository as of a moment is only for reading[[: {path}]].",
    hint: "Leave out --as-of to change the repository, or copy from it: `holdfast copy --as-of MOMENT`.",
  },
  "storage-cold": {
    text: "A part of the repository is in a cold class and has to be thawed first[[: {path}]][[: {packs:pack}, {bytes:bytes}]].",
    hint: "`holdfast restore apply PLAN --thaw` asks for what a restore needs, waits for it and goes on.",
  },
  "storage-cold-version": {
    text: "What was there then is an old version in Azure's Archive, and of old versions Azure thaws none[[: {path}]].",
    hint: "Copy the versions of that moment into a container of their own (`az storage blob copy start` with `--tier Hot`), and restore from that one.",
  },
  "storage-library": {
    text: "Storage of the kind `{kind}:` needs a library that is not installed: {library}[[ ({reason})]].",
    hint: "Install it beside Holdfast: `npm install --global {library}@{version}` (without --global where Holdfast was installed so).",
  },
  "volume-needed": {
    text: "Volume {volume} is needed and is not there ({drive}).",
    hint: "Put it in (to write: an empty medium; mt weof empties a tape) and run the same command again; an export goes on with --resume.",
  },
  "volume-other": {
    text: "Volume {wanted} is needed, and {volume} is in {drive}.",
    hint: "Change the medium and run the command again.",
  },
  "volume-none": {
    text: "No volume is there[[ of the set {set}]] ({drive}).",
    hint: "Give the folder that holds the volumes (files such as NAME-0001.tar), or tape:DEVICE with a tape in it.",
  },
  "volume-repositories": {
    text: "Volumes of several repositories lie here, and can be read as one only each by itself ({drive}): {sets}.",
    hint: "Put those of each repository into a folder of its own, or import the sets that you want: holdfast import {drive} --set NAME --into FOLDER.",
  },
  "volume-small": {
    text: "The medium is too small: not even the catalogue of volume {volume} has room.",
    hint: "Take larger media, or a larger --volume-size.",
  },
  "volume-damaged": {
    text: "The volume is damaged or not one of Holdfast's[[: {reason}]].",
    hint: "Clean the drive and try again, or take another copy of the volume. What was imported so far is sound.",
  },
  "volume-unverified": {
    text: "Volume {volume} does not give back what was written to it ({drive}).",
    hint: "Put in another medium and run `holdfast export --resume`: the volume is written again.",
  },
  "volume-incomplete": {
    text: "The set {set} only adds to {base}, which is not there yet.",
    hint: "Import the full set first.",
  },
  "drive-failed": {
    text: "The drive {drive} failed[[: {reason}]].",
    hint: "Check that the device is there, readable and writable for this user, and that a medium is in.",
  },
  "drive-program": {
    text: "A tape needs the program {program}, which is not installed.",
    hint: "Install it: `apt-get install {package}`.",
  },
  "export-base-missing": {
    text: "There is no set that a {kind} one could stand on[[: {set} is not known here]].",
    hint: "Make a full one with `holdfast export full`, or name the folder of the earlier volumes with --base.",
  },
  "export-unfinished": {
    text: "The set {set} was begun and is not complete.",
    hint: "Go on with --resume, or give it up with --discard.",
  },
  "export-outdated": {
    text: "A file of the set is no longer in the repository, which was pruned meanwhile[[: {path}]].",
    hint: "Begin a new set: `holdfast export --discard`.",
  },
  "export-nothing": {
    text: "There is nothing to export[[: {base} has every recovery point]].",
    hint: "Make a backup first. --resume is for a set that was cut off.",
  },
  "import-other-repository": {
    text: "Another repository is at {location}.",
    hint: "Choose an empty place with --into, or the repository that the volumes come from.",
  },
} as const;
