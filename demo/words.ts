/** The sentences of the demonstration. Both languages have the same keys and placeholders; a test compares them. */
export const en = {
  title: "Holdfast: one CRM, three accidents, three recoveries",
  building: "A small CRM is built in {folder}: SQLite and a folder of attachments, no server.",
  built:
    "{companies} companies (张伟有限公司 among them), {contacts} contacts, {deals} deals, {notes} notes, {attachments} attachments; {size}.",
  movedAside: "The folder of an earlier demonstration was moved to {folder}.",
  chapters: {
    setUp: "1. Set up: what is there, and where backups go",
    backups: "2. Three kinds of backup",
    file: "3. First accident: a contract is deleted",
    database: "4. Second accident: a mass update without WHERE",
    system: "5. Third accident: the whole folder is gone",
  },
  recognised:
    "Recognised: {database} and {folders}. Written: holdfast.yaml. New: a repository that only the password opens.",
  full: "A full backup reads everything.",
  day: "A working day: {contacts} new contacts, {deals} deals moved on, {notes} notes, {attachments} new attachments, one corrected, one removed.",
  incremental: "An incremental backup keeps what changed since the last backup of any kind.",
  morning:
    "The next morning: {contacts} new contacts, {deals} deals moved on, {notes} notes, {attachments} new attachments.",
  differential: "A differential backup keeps what changed since the last full one: the day and the morning.",
  columns: {
    kind: "Backup",
    changed: "Changed since",
    size: "Size of change",
    stored: "Repository grew by",
    time: "Took",
  },
  since: { full: "(everything)", incremental: "the backup before", differential: "the last full" },
  kinds: { full: "full", incremental: "incremental", differential: "differential" },
  sizes:
    "B_inc is what changed since the previous backup, B_diff what changed since the last full. Any of the three gives everything back by itself.",
  deleted: "Somebody deletes {path}.",
  massUpdate: "Somebody runs {sql}: {rows} contacts lose their address.",
  gone: "Somebody runs rm -r {folder}: database, attachments and holdfast.yaml are gone.",
  planned: "The plan: {counts}. Nothing was changed yet.",
  actions: {
    create: "create {n}",
    update: "update {n}",
    replace: "replace {n}",
    remove: "remove {n}",
    skip: "leave {n}",
    conflict: "in conflict {n}",
  },
  took: "done in {time}",
  fileBack: "The contract is back, equal byte by byte; none of the other files was touched.",
  databaseBack:
    "Every row of every table is as it was before the update; the damaged database was moved aside, so that `restore undo` could bring it back.",
  systemBack: "All {files} files, the database, value by value, and holdfast.yaml are back.",
  done: "All three recoveries were compared with what was there before the accident. The whole story took {time}.",
  next: "The folder is yours to play with. Go on with:",
  steps: {
    snapshots: "the three recovery points",
    browse: "look into the newest recovery point",
    rows: "the contacts in it",
    undo: "the restores that can be undone",
    verify: "read and check every byte of the repository",
    kit: "print what you need on the worst day",
    yours: "and then your own CRM",
  },
  problems: {
    folder: "{folder} is there and was not made by this demonstration; give another one with --folder.",
    command: "`{command}` ended with {code}: {text}",
    different: "This is not what it was before the accident: {what}",
  },
} as const;

type Widened<T> = T extends string ? string : { readonly [K in keyof T]: Widened<T[K]> };
export type DemoWords = Widened<typeof en>;

export const zhCn: DemoWords = {
  title: "Holdfast：一个 CRM，三次事故，三次恢复",
  building: "在 {folder} 中建立一个小型 CRM：SQLite 数据库和附件文件夹，无需服务器。",
  built:
    "{companies} 家公司（例如张伟有限公司）、{contacts} 位联系人、{deals} 个商机、{notes} 条备注、{attachments} 个附件，共 {size}。",
  movedAside: "上一次演示的文件夹已移到 {folder}。",
  chapters: {
    setUp: "1. 准备：识别 CRM，确定备份位置",
    backups: "2. 三种备份",
    file: "3. 第一次事故：一份合同被删除",
    database: "4. 第二次事故：批量更新忘了写 WHERE",
    system: "5. 第三次事故：整个文件夹不见了",
  },
  recognised: "已识别：{database} 和 {folders}。已写入 holdfast.yaml，并新建了只能用密码打开的仓库。",
  full: "全量备份读取全部内容。",
  day: "一个工作日：新增 {contacts} 位联系人，推进 {deals} 个商机，写下 {notes} 条备注，新增 {attachments} 个附件，更正一个，删除一个。",
  incremental: "增量备份保存自上一次备份（不论种类）以来的变化。",
  morning:
    "第二天上午：新增 {contacts} 位联系人，推进 {deals} 个商机，写下 {notes} 条备注，新增 {attachments} 个附件。",
  differential: "差异备份保存自上一次全量备份以来的变化：前一天和今天上午。",
  columns: { kind: "备份", changed: "比较对象", size: "变化量", stored: "仓库增加", time: "用时" },
  since: { full: "（全部）", incremental: "上一次备份", differential: "上一次全量备份" },
  kinds: { full: "全量", incremental: "增量", differential: "差异" },
  sizes:
    "B_inc 是自上一次备份以来的变化量，B_diff 是自上一次全量备份以来的变化量。三者中的任何一个都能单独还原全部内容。",
  deleted: "有人删除了 {path}。",
  massUpdate: "有人执行了 {sql}：{rows} 位联系人的邮箱丢失了。",
  gone: "有人执行了 rm -r {folder}：数据库、附件和 holdfast.yaml 全都没了。",
  planned: "还原计划：{counts}。此时尚未改动任何内容。",
  actions: {
    create: "新建 {n} 项",
    update: "更新 {n} 项",
    replace: "替换 {n} 项",
    remove: "移除 {n} 项",
    skip: "保留 {n} 项",
    conflict: "冲突 {n} 项",
  },
  took: "完成，用时 {time}",
  fileBack: "合同已找回，逐字节相同；其他文件均未改动。",
  databaseBack: "每张表的每一行都与更新之前相同；损坏的数据库已移到一旁，可用 `restore undo` 换回。",
  systemBack: "全部 {files} 个文件、数据库（逐值比较）和 holdfast.yaml 都已恢复。",
  done: "三次恢复的结果都与事故之前的内容做了比较。整个过程用时 {time}。",
  next: "这个文件夹留给您试用。接下来可以输入：",
  steps: {
    snapshots: "三个恢复点",
    browse: "查看最新的恢复点",
    rows: "查看其中的联系人",
    undo: "可以撤销的还原",
    verify: "读取并校验仓库的每一个字节",
    kit: "打印最坏的一天所需要的信息",
    yours: "然后备份您自己的 CRM",
  },
  problems: {
    folder: "{folder} 已存在，但不是本演示建立的；请用 --folder 指定另一个文件夹。",
    command: "`{command}` 以 {code} 结束：{text}",
    different: "与事故之前的内容不同：{what}",
  },
};
