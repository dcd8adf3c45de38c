import type { databaseErrors as english } from "../en/errors-database.ts";
import type { Translated } from "../words.ts";

export const databaseErrors: Translated<typeof english> = {
  "source-missing": {
    text: "CRM 的一个组成部分不存在[[：{path}]][[（{reason}）]]。",
    hint: "请检查 holdfast.yaml 中的路径；`holdfast doctor` 会逐一检查。",
  },
  "database-unreadable": {
    text: "无法读取数据库[[：{path}]][[ {table}]][[（{reason}）]][[ {detail}]]。",
    hint: "没有数据库就不会生成快照。请检查当前用户能否读取；`holdfast doctor` 会给出更多信息。",
  },
  "database-not-sqlite": {
    text: "这不是 SQLite 数据库，或已损坏：{path}。",
    hint: "请检查 holdfast.yaml 中的 `database:`。如果路径正确，`holdfast restore plan latest --database --exact` 会把完好的数据库放回那里。",
  },
  "temporary-full": {
    text: "临时文件夹已满：{path}。",
    hint: "其中存放需要排序的行，或数据库的副本。请腾出空间，或指定另一块磁盘上的文件夹：`TMPDIR=/srv/tmp holdfast …`。",
  },
  "database-name-long": {
    text: "数据库名超过其服务器所能保存的长度：{name}。",
    hint: "请用不超过 [[{bytes} 字节的名称（一个汉字占三个字节）]][[{letters} 个字符的名称]]。",
  },
  "database-unsupported": {
    text: "没有适用于 {url} 的数据库引擎[[（{reason}）]]。",
    hint: "请写成 `database: sqlite:./crm.db`、postgresql://user@host/name 或 mysql://user@host/name。",
  },
  "database-unknown": {
    text: "该 CRM 没有名为 {name} 的数据库[[；现有：{known}]]。",
    hint: "请使用其中一个名称，`holdfast browse latest /databases` 会列出它们。",
  },
  "database-unreachable": {
    text: "无法连接数据库服务器[[：{path}]][[（{reason}）]]。",
    hint: "请检查它是否在运行，以及地址、端口和 TLS。已存储的内容会被下一次运行使用。",
  },
  "database-login": {
    text: "数据库服务器拒绝登录[[（用户 {user}）]][[：{path}]][[（{reason}）]]。",
    hint: "请在 holdfast.yaml 的 `databasePassword:` 中写明密码在哪里，或放到服务器自带客户端会查找的位置。",
  },
  "database-missing": {
    text: "没有这个数据库[[：{path}]]。",
    hint: "请检查 holdfast.yaml 中数据库 URL 末尾的名称。",
  },
  "database-rights": {
    text: "数据库用户[[ {user}]] 无权执行此操作[[：{path}]][[，{subject}]][[（{reason}）]]。",
    hint: "`holdfast doctor` 会指出缺少的权限，并给出授权的 SQL。",
  },
  "database-too-old": {
    text: "数据库服务器版本为 {version}；需要 {needed} 或更高版本[[：{path}]]。",
    hint: "请升级服务器，或使用它自带的工具备份。",
  },
  "follow-unsupported": {
    text: "无法跟踪此数据库的变更：{path}",
    hint: "请改为更频繁地备份：间隔即为最多可能丢失的量。",
  },
  "follow-settings": {
    text: "数据库服务器尚未配置为可跟踪：需要 {setting}[[，当前为 {value}]][[（{path}）]]。",
    hint: "请管理员设置；方法见 `docs/continuous.zh-CN.md`。在此之前备份照常进行。",
  },
  "follow-rights": {
    text: "数据库用户[[ {user} ]]无权跟踪变更：{publication}[[（{path}）]]。",
    hint: "授予权限的 SQL 见 `docs/continuous.zh-CN.md`。",
  },
  "follow-other": {
    text: "另一个 `holdfast follow` 已接着写 {crm} 的变更日志。",
    hint: "一个 CRM 只能由一个 `holdfast follow` 跟踪到同一个仓库。请结束另一个，或让它独自继续；重新启动后，本进程从变更日志末尾继续。",
  },
  "follow-taken": {
    text: "另有程序以我们的名义读取服务器日志：{subject}[[，{reason}]][[（{path}）]]。",
    hint: "一个 CRM 在一个仓库中只能由一个 `holdfast follow` 跟踪。请结束另一个。",
  },
  "follow-lag": {
    text: "服务器为我们保留了 {bytes:bytes} 日志，超出上限，已放弃[[（{path}）]]。",
    hint: "变更日志现在有缺口，到下一次备份为止。请查明为何无法存储。",
  },
  "database-busy": {
    text: "数据库中有其他会话持有锁[[：{path}]][[，{subject}]][[（{reason}）]]。",
    hint: "请等其他会话结束后重新运行。没有做任何改动。",
  },
  "database-conflict": {
    text: "备库中止了本会话，因为主库清除了仍在读取的行[[：{path}]][[，{subject}]][[（{reason}）]]。",
    hint: "请在备库上设置 hot_standby_feedback = on，或调大 max_standby_streaming_delay，然后重新运行。没有做任何改动。",
  },
  "server-program-missing": {
    text: "要为副本启动服务器，本机需要有 {program}[[（版本 {needed} 或更新）]][[；现有 {found}]]。",
    hint: "请安装它（Debian：postgresql 或 mariadb-server-core），或用 --to-database 指定别处。",
  },
  "server-unsupported": {
    text: "Holdfast 不会为 {server} 启动自己的服务器，只支持 PostgreSQL 和 MariaDB。",
    hint: "请用 --to-database 在同类服务器上指定一个尚不存在的数据库。",
  },
  "server-not-started": {
    text: "为副本准备的服务器没有启动[[（{program}）]][[：{reason}]][[：账户 {account} 无权进入 {parent}]][[：其文件夹路径太长，放不下套接字（{long}）]][[：本机没有可供它使用的账户（{missing}）]]。",
    hint: "请用 --scratch 指定另一个文件夹：路径要短，且服务器的账户可以进入。",
  },
};
