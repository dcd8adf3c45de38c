import type { doctor as english } from "../en/doctor.ts";
import type { Translated } from "../words.ts";

export const doctor: Translated<typeof english> = {
  doctor: {
    "config-read": { text: "配置文件 {file}", hint: "" },
    "password-unreadable": {
      text: "无法读取密码：{problem}",
      hint: "请检查 holdfast.yaml 中的 `password:`，或 --password-file。",
    },
    "repository-opened": { text: "仓库 {location} 可以打开，内有 {snapshots:snapshot}", hint: "" },
    "repository-failed": { text: "仓库 {location} 打不开：{problem}", hint: "{solution}" },
    "password-file-private": { text: "密码文件 {file} 只有您能读取", hint: "" },
    "password-file-open": { text: "其他用户可以读取密码文件 {file}", hint: "chmod 600 {file}" },
    "kit-used": { text: "恢复包已使用过，确认有效", hint: "" },
    "kit-unused": {
      text: "恢复包从未使用过：还没有人知道它是否有效",
      hint: "用 `holdfast kit` 打印，存放在别处，并用 `holdfast kit --check 校验码` 使用一次。",
    },
    "copies-enough": {
      text: "3-2-1：连同现有数据共 {copies} 份，分布在 {kinds} 种地方，按地址看有 {elsewhere} 份在异地",
      hint: "",
    },
    "copies-few": {
      text: "3-2-1 要求 3 份、2 种地方、其中 1 份在异地；按配置看，连同现有数据共 {copies} 份，分布在 {kinds} 种地方，异地 {elsewhere} 份",
      hint: "请在 holdfast.yaml 的 `copies:` 下增加一个位于别处的副本，并用 `holdfast copy` 填充它。会被带走的磁盘或来自异地的挂载，只有您自己知道。",
    },
    "repository-same-disk": {
      text: "仓库 {location} 只存在于 CRM 自己的磁盘上",
      hint: "该磁盘一旦损坏，两者都会丢失。请把仓库或其副本放在另一块磁盘或另一台机器上。",
    },
    "password-same-disk": {
      text: "密码 {file} 只存在于 CRM 自己的磁盘上",
      hint: "没有密码就无法读取任何备份。请把恢复包存放在别处：`holdfast kit`。",
    },
    "crm-failed": { text: "无法识别此 CRM：{problem}", hint: "{solution}" },
    "crm-recognised": { text: "平台 {platform}[[ {version}]]", hint: "" },
    "database-read": { text: "数据库 {location} 可以读取：{tables:table}", hint: "" },
    "changes-by-wal": { text: "增量备份只读取服务器日志摘要所指的数据块。", hint: "" },
    "changes-by-xmin": { text: "增量备份按事务只读取此后写入的行。", hint: "" },
    "changes-by-hash": { text: "增量备份只读取校验和（由服务器计算）不同的行范围。", hint: "" },
    "changes-by-read": { text: "增量备份读取所有行，只存储不同的行。", hint: "" },
    "rights-enough": { text: "数据库用户 {user} 拥有备份所需的全部权限", hint: "" },
    "rights-missing": {
      text: "数据库用户 {user} 缺少 {count} 项权限，例如 {subject} 上的 {right}",
      hint: "请由管理员运行：\n{script}",
    },
    "database-failed": {
      text: "无法读取数据库 {url}：{problem}",
      hint: "没有数据库就不会生成快照。请检查路径和当前用户的权限。",
    },
    "table-unkeyed": { text: "表 {table} 每次都完整存储：{why}", hint: "" },
    "not-covered": { text: "未纳入备份：{subject}[[（{why}）]]", hint: "请用其他方式备份这一部分。" },
    "keys-found": { text: "备份中包含的密钥：{names}", hint: "" },
    "key-missing": {
      text: "缺少一个密钥：{name}[[（{use}）]]",
      hint: "它应当在 {path} 中。如果存放在别处，请把该位置加到 holdfast.yaml 的 `files:` 下。",
    },
    "key-absent": { text: "CRM 需要时才会生成：{name}[[（{use}）]]", hint: "" },
    maintenance: { text: "在原处还原之前：{how}", hint: "" },
    "folder-read": { text: "文件夹 {path}：{files:file}，{bytes:bytes}", hint: "" },
    "folder-missing": { text: "文件夹 {path} 不存在", hint: "请检查 holdfast.yaml 中的 `files:`。" },
    "files-unreadable": {
      text: "当前用户无法读取 {count:file}：{names}",
      hint: "请以 root 或 CRM 的用户运行。",
    },
    "config-file-missing": {
      text: "配置文件 {path} 不存在",
      hint: "请检查 holdfast.yaml 中的 `configuration:`。",
    },
    "config-file-unreadable": {
      text: "当前用户无法读取配置文件 {path}",
      hint: "请以 root 或 CRM 的用户运行。",
    },
    "owners-not-restorable": {
      text: "{path} 中的文件属于用户 {owners}：当前用户无法还原所有者",
      hint: "请以 root 还原，或事后设置所有者。",
    },
    "clone-possible": { text: "可以制作无害的克隆", hint: "" },
    "clone-impossible": {
      text: "无法制作无害的克隆，因此 --as clone 会被拒绝",
      hint: "请在 holdfast.yaml 的 `neutralise:` 中写明停用邮件和任务的语句。",
    },
    "backup-none": { text: "还没有备份", hint: "holdfast backup" },
    "backup-newest": { text: "最新备份 {id}，{time:time}，正常", hint: "" },
    "backup-newest-warning": {
      text: "最新备份 {id}，{time:time}，带有警告",
      hint: "`holdfast backup --verbose` 会列出全部警告。",
    },
    "restore-half-made": {
      text: "{crm} 的一次还原中途被打断",
      hint: "[[继续：`holdfast restore apply {plan}`。]]退回：`holdfast restore undo {id}`。",
    },
  },
  doctorReport: {
    sound: "一切正常。",
    summary: "{failed:problem}，{warnings:warning}。",
  },
};
