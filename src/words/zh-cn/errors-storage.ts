import type { storageErrors as english } from "../en/errors-storage.ts";
import type { Translated } from "../words.ts";

export const storageErrors: Translated<typeof english> = {
  "storage-not-found": {
    text: "仓库中缺少一个文件[[：{path}]]。",
    hint: "请检查仓库文件夹是否完整；`holdfast verify` 会列出缺少的内容。",
  },
  "storage-exists": {
    text: "文件已经存在[[：{path}]]。",
    hint: "没有覆盖任何内容。请换一个位置，或先移走该文件。",
  },
  "storage-full": {
    text: "仓库所在的存储空间已满[[（{path}）]]。",
    hint: "请腾出空间后再次运行同一命令：已经存入的数据会继续使用。做法见 `docs/retention.zh-CN.md` 的“磁盘已满时”。",
  },
  "storage-denied": {
    text: "没有访问 {path} 的权限[[（{reason}）]]。",
    hint: "请以仓库所有者的身份运行，或授予当前用户读写权限。",
  },
  "storage-append-only": {
    text: "{location} 不允许当前登录删除任何内容[[（{reason}）]]。",
    hint: "这是对备份的保护。请用有删除权限的登录，或在服务器上运行 `holdfast forget` 和 `holdfast prune`。",
  },
  "storage-unreachable": {
    text: "无法访问仓库的存储[[（{path}）]][[：{reason}]]。",
    hint: "请检查它是否已挂载或在线，然后重试。",
  },
  "storage-failed": {
    text: "读写仓库失败[[，位置 {path}]][[：{reason}]]。",
    hint: "请检查磁盘，然后运行 `holdfast verify`。",
  },
  "storage-address": {
    text: "{location} 不是可以存放备份的位置[[（{reason}）]]。",
    hint: "请写一个路径，或例如 s3:https://HOST/BUCKET/PREFIX（其中不要带密码），并检查主机名。",
  },
  "storage-login": {
    text: "存储[[ {location} ]]不接受登录信息[[（{reason}）]]。",
    hint: "请检查用户和密码，或访问密钥及其私钥：可能写错、已过期，或根本没有设置。",
  },
  "storage-missing": {
    text: "[[{location} 处]]没有存储桶 {bucket}。",
    hint: "请检查名称；如果访问密钥有此权限，`holdfast init` 会新建它。",
  },
  "storage-region": {
    text: "存储桶 {bucket} 不在所给的区域[[，而在 {region}]]。",
    hint: "请把 AWS_REGION 设为该存储桶所在的区域；新建存储桶时，设为服务器有的区域。",
  },
  "storage-clock": {
    text: "本机与存储的时钟相差太多[[（{reason}）]]。",
    hint: "请校准本机时钟（最好用 NTP），然后再次运行同一命令。",
  },
  "storage-certificate": {
    text: "{location} 的证书不受信任[[（{reason}）]]。",
    hint: "如果是您自己的证书颁发机构，请在环境变量 NODE_EXTRA_CA_CERTS 中写明其证书文件；否则可能有人在中间监听。",
  },
  "storage-host-unknown": {
    text: "主机 {host} 未知[[：它出示的密钥指纹为 {fingerprint}]]。",
    hint: "请在服务器上核对：`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`。如果一致，请将此行加入 {file}：{line}",
  },
  "storage-host-changed": {
    text: "主机 {host} 出示的密钥与已知的不同[[，指纹为 {fingerprint}]]。可能有人在中间。",
    hint: "如果您知道它为何改变：`ssh-keygen -R '{host}' -f {file}`，然后将此行加入该文件：{line}",
  },
  "storage-program": {
    text: "`{kind}:` 类型的存储需要程序 {program}，但尚未安装。",
    hint: "请安装 OpenSSH 客户端：`apt-get install openssh-client`。",
  },
  "storage-lock-unsupported": {
    text: "{location} 无法防止备份被删除[[（存储桶 {bucket}）]]。",
    hint: "对象锁定（Google：对象保留和版本控制）须在创建存储桶时开启，Azure 须为容器开启版本级不可变性：换一个新的存储桶（`holdfast init` 会一并创建并开启），或从 holdfast.yaml 去掉 `lock:`。",
  },
  "cold-unsupported": {
    text: "{location} 无法把文件存入冷存储类别。",
    hint: "只有 S3、Azure 和 Google Cloud Storage 支持：请从 holdfast.yaml 去掉 `cold:`。",
  },
  "parity-unsupported": {
    text: "{location} 没有存放校验数据的位置。",
    hint: "restic 的 REST 协议不支持此类文件：请从 holdfast.yaml 去掉 `parity:`，或把仓库放到别处。",
  },
  "storage-no-versions": {
    text: "{location} 不保留旧版本，无法按某一时刻读取。",
    hint: "--as-of 需要开启版本控制的存储桶（对象锁定会自动开启）。",
  },
  "storage-read-only": {
    text: "按某一时刻打开的仓库只能读取[[：{path}]]。",
    hint: "要改动仓库请去掉 --as-of，或从中复制：`holdfast copy --as-of 时刻`。",
  },
  "storage-cold": {
    text: "仓库的一部分处于冷存储类别，须先解冻[[：{path}]][[：{packs:pack}，{bytes:bytes}]]。",
    hint: "`holdfast restore apply 计划 --thaw` 会申请还原所需的文件，等待就绪后继续。",
  },
  "storage-cold-version": {
    text: "当时的内容是 Azure Archive 中的旧版本，而 Azure 不能解冻旧版本[[：{path}]]。",
    hint: "请把该时刻的版本复制到单独的容器（`az storage blob copy start` 加 `--tier Hot`），再从那里还原。",
  },
  "storage-library": {
    text: "`{kind}:` 类存储需要的库没有安装：{library}[[（{reason}）]]。",
    hint: "请安装到 Holdfast 旁边：`npm install --global {library}@{version}`（如果 Holdfast 不是全局安装的，请去掉 --global）。",
  },
  "volume-needed": {
    text: "需要卷 {volume}，但它不在（{drive}）。",
    hint: "请放入该卷（写入时：空介质；mt weof 可清空磁带）后重新运行同一命令；导出用 --resume 继续。",
  },
  "volume-other": {
    text: "需要卷 {wanted}，而 {drive} 中是 {volume}。",
    hint: "请更换介质后重新运行命令。",
  },
  "volume-none": {
    text: "没有找到[[卷集 {set} 的]]卷（{drive}）。",
    hint: "请给出存放卷的文件夹（如 名称-0001.tar 的文件），或 tape:设备 并放入磁带。",
  },
  "volume-repositories": {
    text: "这里放着几个仓库的卷，只能分开读取（{drive}）：{sets}。",
    hint: "请把各仓库的卷放入各自的文件夹，或只导入需要的卷集：holdfast import {drive} --set 名称 --into 文件夹。",
  },
  "volume-small": {
    text: "介质太小：连卷 {volume} 的目录也放不下。",
    hint: "请使用更大的介质，或更大的 --volume-size。",
  },
  "volume-damaged": {
    text: "卷已损坏，或不是 Holdfast 的卷[[：{reason}]]。",
    hint: "请清洁驱动器后再试，或换用该卷的另一份副本。已导入的内容是完好的。",
  },
  "volume-unverified": {
    text: "卷 {volume} 读回的内容与写入的不同（{drive}）。",
    hint: "请放入另一介质并运行 `holdfast export --resume`：该卷会重新写入。",
  },
  "volume-incomplete": {
    text: "卷集 {set} 只是对 {base} 的补充，而后者尚不存在。",
    hint: "请先导入全量卷集。",
  },
  "drive-failed": {
    text: "驱动器 {drive} 出错[[：{reason}]]。",
    hint: "请检查设备是否存在、该用户能否读写，以及是否放入了介质。",
  },
  "drive-program": {
    text: "磁带需要程序 {program}，但尚未安装。",
    hint: "请安装：`apt-get install {package}`。",
  },
  "export-base-missing": {
    text: "没有可作为{kind}卷集基础的卷集[[：本机不知道 {set}]]。",
    hint: "请用 `holdfast export full` 制作全量卷集，或用 --base 指出早先各卷所在的文件夹。",
  },
  "export-unfinished": {
    text: "卷集 {set} 已开始但尚未完成。",
    hint: "用 --resume 继续，或用 --discard 放弃。",
  },
  "export-outdated": {
    text: "卷集中的一个文件已不在仓库里，仓库在此期间被清理过[[：{path}]]。",
    hint: "请开始新的卷集：`holdfast export --discard`。",
  },
  "export-nothing": {
    text: "没有可导出的内容[[：{base} 已有全部恢复点]]。",
    hint: "请先做一次备份。--resume 用于中断的卷集。",
  },
  "import-other-repository": {
    text: "{location} 处是另一个仓库。",
    hint: "请用 --into 选择空位置，或这些卷所属的仓库。",
  },
};
