import type { errors as english } from "../en/errors.ts";
import type { Translated } from "../words.ts";

export const errors: Translated<typeof english> = {
  errors: {
    usage: { text: "{problem}", hint: "用 `holdfast[[ {command}]] --help` 查看可用的参数和选项。" },
    "config-missing": {
      text: "无法读取配置文件 {file}[[（{reason}）]][[；{other} 也没有]]。",
      hint: "请在 CRM 所在的文件夹运行 `holdfast init`，或用 --config 指定文件。如果它丢失了，请给出 --repository 和 --password-file：每个恢复点里都有它。",
    },
    "config-invalid": {
      text: "{file}:{line}:{column}：{problem}",
      hint: "`holdfast config validate` 会列出文件中的全部问题。",
    },
    "config-secret": {
      text: "[[{problem}]][[密码无法使用：{reason}。]]",
      hint: "仓库的密码：用 --password-file 文件 或 HOLDFAST_PASSWORD_FILE 给出，或在 holdfast.yaml 中写 `password:`。其中的秘密一律写作 file:路径、env:变量名、cmd:命令 或 systemd:凭据名。",
    },
    "crm-unknown": {
      text: "这里没有名为 {name} 的 CRM 或平台[[；现有：{known}]]。",
      hint: "请检查 --crm 给出的名称，以及 holdfast.yaml 中的 `platform:`。",
    },
    "point-of-other": {
      text: "{id} 不是 {name} 的恢复点[[，而是 {crm} 的]]。",
      hint: "`holdfast snapshots` 列出现有的恢复点及其所属的 CRM；--crm 指定所指的 CRM。",
    },
    "crm-ambiguous": { text: "这里有多个 CRM：{known}。", hint: "请用 --crm 名称 选定一个。" },
    "crm-not-detected": {
      text: "[[在 {folder} 中]]没有识别出 CRM[[：没有文件夹 {missing}]]。",
      hint: "请指定 CRM 配置文件或其 SQLite 数据库所在的文件夹，或参照 README.zh-CN.md 手写 holdfast.yaml。",
    },
    "crm-empty": {
      text: "CRM {crm} 既没有数据库也没有文件，没有可备份的内容。",
      hint: "请在 holdfast.yaml 中填写 `database:` 或 `files:`。",
    },
    "crm-configuration-unreadable": {
      text: "[[{crm} 的]]配置无法读取：{path}[[，第 {line} 行]]。",
      hint: "请在 holdfast.yaml 的 `configuration:` 中写明 CRM 自己的配置文件，并确保当前用户可读。",
    },
    "crm-database-ambiguous": {
      text: "{path} 中有多个数据库：{found}。",
      hint: "请在 holdfast.yaml 中为 {crm} 指定其中一个：`database: sqlite:{path}/NAME.sqlite`。",
    },
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
    "repository-missing": {
      text: "[[{location} 处]]没有仓库。",
      hint: "请检查位置是否正确，或用 `holdfast init` 新建一个（副本用 `holdfast copy --create`）。",
    },
    "repository-exists": {
      text: "[[{location} 处]]已经有一个仓库。",
      hint: "可以直接用 `holdfast backup` 使用它，或换一个位置。",
    },
    "repository-unsupported": {
      text: "此版本无法使用这种仓库[[：版本 {version}]][[：{reason}]]。",
      hint: "需要 restic 仓库格式第 2 版；更早的仓库可用 `restic migrate upgrade_repo_v2` 升级。",
    },
    "repository-damaged": {
      text: "仓库已损坏[[，位置 {subject}]][[：{reason}]][[：{detail}]]。",
      hint: "请运行 `holdfast verify --read-data` 查看影响范围，暂时不要删除任何内容：能挽救什么、怎么做，见 `docs/damage.zh-CN.md`。",
    },
    "repository-locked": {
      text: "仓库已被锁定[[，用户 {username}]][[，主机 {hostname}]][[，进程 {pid}]][[，开始于 {time:time}]]。",
      hint: "请等待其完成，或让命令等待：--wait 10m。持有者每五分钟续期一次：超过半小时未续期的锁是遗留的，可用 `holdfast unlock` 删除。",
    },
    "lock-lost": {
      text: "仓库的锁已丢失，因此停止了写入。",
      hint: "机器是否休眠过，或存储曾经断开？请再次运行同一命令：已经存入的数据会继续使用。",
    },
    "password-wrong": {
      text: "密码打不开这个仓库[[（{location}）]]。",
      hint: "请检查使用的是哪个密码文件；恢复包上有正确的密码。",
    },
    "repository-incomplete": {
      text: "[[{location} ]]中有密钥但没有 config：`init` 曾被中断，或该文件已丢失。",
      hint: "`holdfast init` 会用同一密码继续。如果那里曾有备份，请运行 `holdfast repair index`。无人需要的密钥请手动删除[[：{key}]]。",
    },
    "repair-first": {
      text: "必须先修复仓库的另一部分：{what}。",
      hint: "请运行 `holdfast repair {what}`：现在找不到的内容也许就在那里。",
    },
    "key-unknown": { text: "没有密码 {id}。", hint: "`holdfast key list` 会列出各个 ID。" },
    "key-ambiguous": {
      text: "有 {count} 个密码的 ID 以 {id} 开头。",
      hint: "请多给几位 ID；`holdfast key list` 会列出它们。",
    },
    "key-current": {
      text: "这是正在使用的密码，因此没有删除。",
      hint: "`holdfast key passwd` 可以更改它。要删除它，请用另一个密码打开仓库：--password-file。",
    },
    "password-empty": {
      text: "密码为空。",
      hint: "请把密码写入 `password:` 或 --password-file 所指的文件。",
    },
    "snapshot-unknown": { text: "没有快照 {id}。", hint: "`holdfast snapshots` 会列出现有的快照。" },
    "snapshot-ambiguous": {
      text: "有 {count:snapshot}以 {id} 开头。",
      hint: "请多给几位编号；`holdfast snapshots` 会列出它们。",
    },
    "snapshot-none": {
      text: "[[{crm} ]]还没有[[不带警告的恢复点；{withWarnings} 带有警告，不能充当]]恢复点。",
      hint: "请用 `holdfast backup` 创建一个；带有警告的恢复点需按编号选用。",
    },
    "snapshot-held": {
      text: "恢复点 {id} 已被保留[[至 {until}]]，因此没有删除。",
      hint: "请先解除保留：holdfast release {id}",
    },
    "snapshot-ledger": {
      text: "快照 {id} 使已抹除的内容不再被还原，因此没有删除。",
      hint: "`holdfast erase list` 显示抹除了什么。若确须恢复，请用 restic 删除该快照。",
    },
    "retention-empty": {
      text: "没有规则说明要保留[[ {crm} 的]]哪些内容，因此没有删除任何内容。",
      hint: "在 holdfast.yaml 中写入 `retention: { preset: standard }`，或给出 --keep standard、--keep-daily 7 等规则。",
    },
    "moment-invalid": {
      text: "{text} 不是一个时刻[[：{problem}]]。",
      hint: '可以写 latest、快照编号、@2026-03-12T14:00+08:00、@"昨天 14:30" 或 @2小时前。',
    },
    "point-live": {
      text: "live 指 CRM 当前的状态，不是恢复点。",
      hint: "请写 latest、快照编号，或 @2026-03-12T14:00+08:00 这样的时刻。",
    },
    "moment-ambiguous": {
      text: "{text} 在 {zone} 出现过两次，因为时钟曾回拨。",
      hint: "请用时差指明是哪一次：{first} 或 {second}。",
    },
    "moment-too-early": {
      text: "该时刻及之前没有[[ {crm} 的]]恢复点。",
      hint: "可用的最早时刻是 {earliest:time}：请写 @{earliest}。",
    },
    "moment-unreachable": {
      text: "无法到达 {time:time}[[：{problem}]][[（{tables}）]]。",
      hint: "[[此前最近的时刻是 {before:time}：请写 @{before}。]][[此后最近的时刻是 {after:time}：请写 @{after}。]][[在持续保护期间，{reached:time} 之后的内容，在运行 `follow` 的机器上大约一分钟内即可到达，在别处一小时内即可到达：请稍后再试。]][[日志中的缺口（{problem}）到下一次备份为止。]]",
    },
    "journal-none": {
      text: "此仓库中没有[[ {crm} 的]]日志。",
      hint: "`holdfast follow` 会保存日志。",
    },
    "moment-transaction": {
      text: "该时刻没有事务 {text}。",
      hint: "`holdfast transactions @时刻` 列出当时的事务。",
    },
    "copy-unknown": {
      text: "holdfast.yaml 中没有[[名为 {name} 的]]副本[[；已有：{known}]]。",
      hint: "请在 `copies:` 下写明名称、位置和密码，或给出 --to 位置和 --to-password-file。",
    },
    "copy-same-repository": {
      text: "复制的目标就是来源仓库[[：{location}]]。",
      hint: "副本应是另一块磁盘或另一个地点上的独立仓库：请检查 `copies:` 和 --to。",
    },
    "copy-other-key": {
      text: "目标仓库使用的是另一个密钥[[：{location}]]。",
      hint: "仓库的密钥不能更换。请去掉 --same-key，或在别处新建副本。",
    },
    "backup-running": {
      text: "{crm} 正被另一次运行占用[[：进程 {pid}]][[，用户 {user}]][[，{job}]][[，开始于 {since:time}]]。",
      hint: "请等待其完成，或让本命令等待：--wait 10m。",
    },
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
      text: "另一个 `holdfast follow` 已接着写 {crm} 的日志。",
      hint: "一个 CRM 只能由一个 `holdfast follow` 跟踪到同一个仓库。请结束另一个，或让它独自继续；重新启动后，本进程从日志末尾继续。",
    },
    "follow-taken": {
      text: "另有程序以我们的名义读取日志：{subject}[[，{reason}]][[（{path}）]]。",
      hint: "一个 CRM 在一个仓库中只能由一个 `holdfast follow` 跟踪。请结束另一个。",
    },
    "follow-lag": {
      text: "服务器为我们保留了 {bytes:bytes} 日志，超出上限，已放弃[[（{path}）]]。",
      hint: "日志现在有缺口，到下一次备份为止。请查明为何无法存储。",
    },
    "database-busy": {
      text: "数据库中有其他会话持有锁[[：{path}]][[，{subject}]][[（{reason}）]]。",
      hint: "请等其他会话结束后重新运行。没有做任何改动。",
    },
    "database-conflict": {
      text: "备库中止了本会话，因为主库清除了仍在读取的行[[：{path}]][[，{subject}]][[（{reason}）]]。",
      hint: "请在备库上设置 hot_standby_feedback = on，或调大 max_standby_streaming_delay，然后重新运行。没有做任何改动。",
    },
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
      hint: "改动要么全部生效，要么全无，各行原来的内容已保存。`holdfast restore undo` 撤销已生效的部分；再次 `holdfast restore apply` 同一方案会将其补全。两者都会先逐行核对。",
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
    "target-in-use": {
      text: "数据库仍被打开[[：{path}]][[，进程 {pid}]][[（{command}）]][[（{holders}）]]。",
      hint: "请先停止 CRM，再应用同一个计划。",
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
      hint: "请用 `holdfast restore plan` 制定计划；它会显示用于应用的命令。",
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
    "kit-mismatch": {
      text: "这个校验码属于另一个仓库、位置或密码。",
      hint: "请用 `holdfast kit` 重新打印恢复包，并丢弃旧的。",
    },
    "state-unwritable": {
      text: "无法写入状态文件夹[[：{path}]]。",
      hint: "请授予当前用户写权限，或把 HOLDFAST_STATE 设为另一个文件夹。",
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
      text: "没有找到[[集 {set} 的]]卷（{drive}）。",
      hint: "请给出存放卷的文件夹（如 名称-0001.tar 的文件），或 tape:设备 并放入磁带。",
    },
    "volume-repositories": {
      text: "这里放着几个仓库的卷，只能分开读取（{drive}）：{sets}。",
      hint: "请把各仓库的卷放入各自的文件夹，或只导入需要的卷组：holdfast import {drive} --set 名称 --into 文件夹。",
    },
    "volume-small": {
      text: "介质太小：连卷 {volume} 的目录也放不下。",
      hint: "请使用更大的介质，或更大的 --volume-size。",
    },
    "volume-damaged": {
      text: "卷已损坏，或不是 Holdfast 的卷[[：{reason}]]。",
      hint: "请清洁驱动器后再试，或换用该卷的另一份副本。已导入的内容是完好的。",
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
    "drill-start": {
      text: "还原出的副本无法启动[[（{program}）]][[：{reason}]]。",
      hint: "原因是该程序自己最后的输出；可用 `holdfast restore plan --system --as clone` 做一份副本，手动试一下。",
    },
    "drill-failed": {
      text: "{crm} 的还原演练失败：{problems:problem}。",
      hint: "上面标出的问题在真正出事时同样会发生。`holdfast verify --read-data` 可检查仓库是否完好。",
    },
    "volume-unverified": {
      text: "卷 {volume} 读回的内容与写入的不同（{drive}）。",
      hint: "请放入另一介质并运行 `holdfast export --resume`：该卷会重新写入。",
    },
    "volume-incomplete": {
      text: "集 {set} 只是对 {base} 的补充，而后者尚不存在。",
      hint: "请先导入全量集。",
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
      text: "没有可作为{kind}集基础的集[[：本机不知道 {set}]]。",
      hint: "请用 `holdfast export full` 制作全量集，或用 --base 指出早先各卷所在的文件夹。",
    },
    "export-unfinished": {
      text: "集 {set} 已开始但尚未完成。",
      hint: "用 --resume 继续，或用 --discard 放弃。",
    },
    "export-outdated": {
      text: "集中的一个文件已不在仓库里，仓库在此期间被清理过[[：{path}]]。",
      hint: "请开始新的集：`holdfast export --discard`。",
    },
    "export-nothing": {
      text: "没有可导出的内容[[：{base} 已有全部恢复点]]。",
      hint: "请先做一次备份。--resume 用于中断的集。",
    },
    "import-other-repository": {
      text: "{location} 处是另一个仓库。",
      hint: "请用 --into 选择空位置，或这些卷所属的仓库。",
    },
    "service-running": {
      text: "`holdfast serve` 已在使用此配置运行[[：进程 {pid}]][[，自 {since:time}]]。",
      hint: "一个就够了。`holdfast status` 显示它在做什么。",
    },
    "job-unknown": { text: "没有任务 {id}。", hint: "`holdfast jobs list` 列出正在运行、等待和已结束的任务。" },
    "job-ambiguous": { text: "有几个任务以 {id} 开头。", hint: "请多写几位：`holdfast jobs list` 会列出它们。" },
    "listen-failed": {
      text: "无法在 {address} 监听[[（{reason}）]]。",
      hint: "请在 holdfast.yaml 的 `service: listen:` 下换一个地址，或写 `off`。",
    },
    "alert-failed": {
      text: "无法送达警报[[：{reason}]]。",
      hint: "请检查 holdfast.yaml 中 `alerts:` 下的路由，然后运行 `holdfast alert test`。",
    },
    "alert-none": {
      text: "没有警报路由[[ {name}]][[；现有：{known}]]。",
      hint: "请在 holdfast.yaml 的 `alerts: routes:` 下写一个：见 docs/service.zh-CN.md。",
    },
    "verify-failed": {
      text: "[[仓库中有 {defects:defect}。]][[将要存入的数据读回后不一致（{reason}）：内存或磁盘可能有故障。]]",
      hint: "上面没有提到的恢复点都是完整的。请保持仓库原样，并在别处做一次新的备份。",
    },
    "prune-unsafe": {
      text: "没有删除任何内容，因为仓库不完整：{problem}[[（{subject}）]][[，共 {count} 处]]。",
      hint: "运行 `holdfast verify` 查看影响范围，用 `holdfast repair` 挽救能挽救的内容，然后再清理。",
    },
    cancelled: { text: "已取消。", hint: "没有留下做到一半的内容；再次运行同一命令即可继续。" },
    internal: {
      text: "发生了意外情况[[：{detail}]][[（{reason}）]]。",
      hint: "请设置 HOLDFAST_DEBUG=1 再次运行，并报告其输出。",
    },
  },
};
