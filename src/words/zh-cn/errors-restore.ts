import type { restoreErrors as english } from "../en/errors-restore.ts";
import type { Translated } from "../words.ts";

export const restoreErrors: Translated<typeof english> = {
  "nothing-matched": {
    text: "快照中没有匹配的内容[[：{path}]]。",
    hint: "用 `holdfast browse` 查看其中有什么；路径以 /files、/databases 或 /config 开头，记录写作 party/12。",
  },
  "record-ambiguous": {
    text: "该 CRM 有多个数据库含有 {record}：{names}。",
    hint: "请指明是哪一个：照这里的写法，在前面加上数据库名和冒号。",
  },
  "records-databases": {
    text: "这些记录分布在该 CRM 的多个数据库中：{names}。",
    hint: "请逐个数据库还原，每个都是单独的一次还原。配合 --search、--deleted、--changed 或 --created 时，`--in NAME` 只取该数据库中的记录。",
  },
  "record-unknown": {
    text: "恢复点中没有 {record}。",
    hint: "记录以实体或表名加主键命名，例如 party/12。`holdfast browse` 可查看其中有什么。",
  },
  "rows-refused": {
    text: "数据库不接受这些行[[：{reason}]]。",
    hint: "没有任何改动。请少选一些记录或字段，或用 --to-files 还原为文件。",
  },
  "rows-miscounted": {
    text: "在表 {table} 中，一条语句应涉及 {wanted:row}，实际涉及了 {touched:row}。",
    hint: "没有任何改动。可能是数据库的规则、策略或触发器从中干预，或有一行的键被数据库视为相同。请用 --to-files 把记录还原为文件，或还原到副本中。",
  },
  "commit-unknown": {
    text: "在使改动生效时，与数据库的连接中断，无法得知改动是否已生效[[：{path}]]。",
    hint: "改动要么全部生效，要么全无，各行原来的内容已保存。`holdfast restore undo` 撤销已生效的部分；再次 `holdfast restore apply` 同一计划会将其补全。两者都会先逐行核对。",
  },
  "target-not-empty": {
    text: "目标不为空[[：{path}]]。",
    hint: "请用 --target 指定一个空的或新的文件夹；没有做任何改动。",
  },
  "target-folder-needed": {
    text: "这个恢复点还包含不在服务器数据库中的内容[[：{path}]]。",
    hint: "请同时用 --target 文件夹 指定其位置，或用 --database 只还原数据库。",
  },
  "target-database-needed": {
    text: "这个恢复点的数据库在服务器上[[：{path}]]，但没有说明要还原到哪里。",
    hint: "请给出一个尚不存在的数据库：--to-database postgresql://user@host/new_name。",
  },
  "target-database-unused": {
    text: "--to-database 只用于服务器上的数据库；这个恢复点没有。",
    hint: "请去掉它，改用 --target 文件夹。",
  },
  "target-unsafe": {
    text: "这样会写到目标之外，因此已拒绝[[：{path}]][[（{reason}）]]。",
    hint: "目标中的某个对象（可能是链接）指向了别处。请把它移开，或换一个目标。",
  },
  "target-mounted": {
    text: "{path} 是一个挂载点：无法用别的内容替换它。",
    hint: "没有换入任何内容。请在还原期间将其卸载，或重新规划并指明其余要还原的内容。",
  },
  "target-in-use": {
    text: "数据库仍被打开[[：{path}]][[，进程 {pid}]][[（{command}）]][[（{holders}）]]。",
    hint: "请先停止 CRM，再执行同一个计划。",
  },
  "target-full": {
    text: "[[{path} 处]]空间不足[[：需要 {needed:bytes}]][[，可用 {free:bytes}]][[：需要新建 {neededFiles:file}，只能再容纳 {freeFiles} 个（`df -i`）]][[（{reason}）]]。",
    hint: "请腾出空间，或用 --target 还原到另一块磁盘，或用 --to-database 还原到另一台服务器。",
  },
  "target-unwritten": {
    text: "写入[[ {path} ]]的数据未能到达磁盘[[（{reason}）]]。",
    hint: "磁盘可能正在损坏：`dmesg` 会说明详情。可用 --target 还原到另一块磁盘。",
  },
  "purpose-needed": {
    text: "还原到其他位置时必须说明用途。",
    hint: "--as clone（去除对外影响，用于查看和测试）或 --as replacement（接替原来的 CRM）。",
  },
  "crm-version-differs": {
    text: "该恢复点来自 {crm} {version}；这里的程序是 {installed}。不同版本不能使用对方的数据库。",
    hint: "安装 {version} 版，再重新计划[[；或连同恢复点自带的程序一起还原：{remedy}]]。",
  },
  "anonymise-column": {
    text: "`anonymise:` 的这条规则无法执行：{column}[[：{kind}]]。",
    hint: "请写实体或表，以及其中一个不是键的列。`holdfast browse latest /databases/main` 列出各表。",
  },
  "anonymise-leak": {
    text: "副本中仍有本应去除的值，因此没有生成任何内容[[（{path}）]]：{columns}",
    hint: "请在 holdfast.yaml 的 `anonymise:` 下为这些列各写一条规则：其中是什么（`text`、`name`……），只去除其中提到的人时写 `mentions`，或有意保留时写 `keep`。",
  },
  "clone-unsupported": {
    text: "无法确保[[ {crm} 的]]克隆不影响外界，因此已拒绝[[：{reason}]]。",
    hint: "请在 holdfast.yaml 的 `neutralise:` 中写明使其无害的语句，或使用 --as replacement。",
  },
  "confirm-needed": {
    text: "这会替换正在使用的 CRM，必须给出它的名称[[：{name}]]。",
    hint: "请在询问时输入名称，或使用 --confirm 名称。",
  },
  "plan-unknown": {
    text: "没有已保存的计划 {id}。",
    hint: "请用 `holdfast restore plan` 制定计划；它会显示执行计划的命令。",
  },
  "plan-outdated": {
    text: "制定计划之后目标发生了变化[[：{path}]][[（{reason}）]]，因此没有执行任何操作。",
    hint: "请重新运行 `holdfast restore plan`，看看现在有什么不同。",
  },
  "restore-incomplete": {
    text: "还原已完成，但有 {failed:item}失败[[，第一个是 {path}]]。",
    hint: "请先排除失败的原因，再重新制定计划：已经还原的内容保持不变。",
  },
  "undo-incomplete": {
    text: "撤销已完成，但有 {failed:item}没能撤回。",
    hint: "上面列出了是哪些和原因。请在 CRM 中自行改正它们。",
  },
  "restore-mismatch": {
    text: "还原出的内容与快照不一致[[：{path}]][[ {table}]][[（{detail}）]][[（{reason}）]]。",
    hint: "没有替换任何内容。请运行 `holdfast verify --read-data`，或另选一个恢复点。",
  },
  "restore-half-made": {
    text: "{crm} 的一次还原在替换时被打断：CRM 现在一部分是旧的，一部分是新的，在此之前不会备份它。",
    hint: "[[继续完成：`holdfast restore apply {plan}`。]]退回：`holdfast restore undo {id}`。",
  },
  "restore-lost": {
    text: "为 {path} 还原出的内容已不完整：替换被打断期间，它被删除或改动。剩余部分在该处或 {slot}[[；被它替换的内容保留在 {kept}]]。",
    hint: "请用 `holdfast restore undo` 退回（会放回被替换的内容），然后重新制定计划。",
  },
  "undo-lost": {
    text: "还原 {id} 无法撤销：被它替换的内容已不存在[[：{path}]]。",
    hint: "它已被移动或删除。该还原之前的备份中仍有这些内容：`holdfast snapshots`。",
  },
  "undo-databases": {
    text: "要撤回的内容分布在 CRM 的多个数据库中：{names}。",
    hint: "请逐个撤回：用 --undo-in NAME 指明数据库。每个都是单独的一次还原。",
  },
  "undo-emptied": {
    text: "事务 {transaction} 清空了表 {table}：无法逐行撤回。",
    hint: "请还原该表在此前时刻的记录：`holdfast restore plan @时刻 --deleted --in {table}`。",
  },
  "undo-none": {
    text: "没有[[编号为 {id} 的]]可撤销的还原。",
    hint: "`holdfast restore undo --list` 会列出可以撤销的还原。",
  },
};
