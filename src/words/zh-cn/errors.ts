import type { errors as english } from "../en/errors.ts";
import type { Translated } from "../words.ts";
import { databaseErrors } from "./errors-database.ts";
import { restoreErrors } from "./errors-restore.ts";
import { storageErrors } from "./errors-storage.ts";

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
    "repository-missing": {
      text: "[[{location} 处]]没有仓库。",
      hint: "[[文件夹 {empty} 存在但为空，共享或磁盘未挂载时就是这样：若那里应有仓库，请先挂载，不要新建仓库。否则：]]请检查位置是否正确，或用 `holdfast init` 新建一个（副本用 `holdfast copy --create`）。",
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
    "key-unknown": { text: "没有密码 {id}。", hint: "`holdfast key list` 会列出各个编号。" },
    "key-ambiguous": {
      text: "有 {count} 个密码的编号以 {id} 开头。",
      hint: "请多给几位；`holdfast key list` 会列出它们。",
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
      text: "[[{crm} ]]还没有恢复点[[可用作 latest：{withWarnings} 带有警告]]。",
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
      hint: "[[此前最近的时刻是 {before:time}：请写 @{before}。]][[此后最近的时刻是 {after:time}：请写 @{after}。]][[在持续保护期间，{reached:time} 之后的内容，在运行 `follow` 的机器上大约一分钟内即可到达，在别处一小时内即可到达：请稍后再试。]][[变更日志中的缺口（{problem}）到下一次备份为止。]]",
    },
    "journal-none": {
      text: "此仓库中没有[[ {crm} 的]]变更日志。",
      hint: "`holdfast follow` 会保存变更日志。",
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
    "kit-mismatch": {
      text: "这个校验码属于另一个仓库、位置或密码。",
      hint: "请先核对是否与纸上一致。如果一致，请用 `holdfast kit` 重新打印恢复包，并丢弃旧的。",
    },
    "state-unwritable": {
      text: "无法写入状态文件夹[[：{path}]]。",
      hint: "请授予当前用户写权限，或把 HOLDFAST_STATE 设为另一个文件夹。",
    },
    "drill-start": {
      text: "还原出的副本无法启动[[（{program}）]][[：{reason}]]。",
      hint: "原因是该程序自己最后的输出；可用 `holdfast restore plan --system --as clone` 做一份副本，手动试一下。",
    },
    "drill-failed": {
      text: "{crm} 的还原演练失败：{problems:problem}。",
      hint: "上面标出的问题在真正出事时同样会发生。`holdfast verify --read-data` 可检查仓库是否完好。",
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
      hint: "请检查 holdfast.yaml 中 `alerts:` 下的通知渠道，然后运行 `holdfast alert test`。",
    },
    "alert-none": {
      text: "没有警报通知渠道[[ {name}]][[；现有：{known}]]。",
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
    ...storageErrors,
    ...databaseErrors,
    ...restoreErrors,
  },
};
