import type { commands as english } from "../en/commands.ts";
import type { Translated } from "../words.ts";

const planOptions = {
  database: "只还原数据库",
  system: "全部还原：数据库、文件和配置（未给出路径时的默认）",
  target: "另一个文件夹；不给出则还原到原处",
  toDatabase: "尚不存在的数据库的 URL，用于服务器上的数据库；还原记录时为已有的数据库",
  anonymise: "以虚构的值代替姓名、邮箱、号码、地址和备注，并检查没有遗留",
  withFiles: "与 --anonymise 同用：文件原样带上，但其中的内容无法匿名化",
  grants: "不还原数据库内的所有者和权限，全部归执行还原的用户",
  as: "另一处副本的用途：clone（无害的克隆）或 replacement（接替原系统）",
  updateChanged: "同时改回已存在但有差异的内容",
  removeNewer: "同时删除恢复点中没有的内容",
  onlyExisting: "不重建已不存在的内容",
  exact: "与恢复点完全一致：等于同时使用 --update-changed 和 --remove-newer",
  record: "以名称指定的记录：party/12，或表名加主键",
  keys: "CSV 记录清单：名为 `record` 的列，或以实体或表名为标题的主键列",
  search: "含有这些词的所有记录，与 `search` 所找到的相同",
  deleted: "恢复点中有而现在（或 --until 时）已没有的所有记录",
  changed: "所有有差异的记录；配合 --update-changed 或 --fields 改回",
  created: "所有之后出现的记录；配合 --remove-newer 删除",
  in: "只比较或搜索这些实体、表或数据库",
  until: "差错刚发生之后的时刻：之后他人的改动会保留并告知",
  fields: "只改回现有记录的这些列",
  undoTransaction: "撤回此编号的事务所做的更改；给出时刻可缩小查找范围",
  undoBetween: "撤回两个时刻之间的更改，各以 @ 开头",
  undoBy: "其中仅撤回此用户的更改（以行中所记为准）",
  undoIn: "其中仅撤回此数据库中的更改（用于有多个数据库的 CRM）",
  alone: "只还原记录本身，不含从属内容",
  toFiles: "把记录写到这个新建或空的文件夹，而不是数据库",
  format:
    "配合 --to-files：csv（默认，值原样保留）、sheet（不含公式的 csv，供电子表格查看）或 json，每表一个文件；或 sql",
  rename: "恢复点中的列现在的去处：table.old=new",
};

const planArguments = {
  point: "latest、快照编号或 @时刻（默认：latest）",
  paths: "`browse` 所显示的文件或文件夹",
};

const applyOptions = {
  confirm: "CRM 的名称，代替手动输入",
  thaw: "申请解冻冷数据包（可读 7 天或所给天数），等待就绪后继续",
  wait: "等待该 CRM 的另一次运行结束（默认：不限时）",
};

export const commands: Translated<typeof english> = {
  program: {
    summary: "为自建 CRM 平台提供备份与恢复。",
    usage: "用法：",
    options: "选项：",
    globalOptions: "全局选项：",
    commands: "命令：",
    arguments: "参数：",
    help: "显示此帮助",
    version: "显示版本",
    after: "初次使用？在 CRM 所在的文件夹运行 `holdfast init`，再运行 `holdfast backup`。",
  },
  options: {
    config: "配置文件（默认：当前文件夹的 holdfast.yaml）",
    repository: "仓库位置，代替配置中的值（HOLDFAST_REPOSITORY）",
    passwordFile: "存有仓库密码的文件（HOLDFAST_PASSWORD_FILE）",
    crm: "有多个 CRM 时，指定哪一个",
    json: "以 JSON 行输出结果和事件",
    lang: "消息的语言：en 或 zh-CN",
    asOf: "按该时刻的样子读取仓库（需要保留版本的存储桶）",
    noCache: "一切从仓库本身读取，不在本机留存",
    verbose: "显示更多信息",
    quiet: "只显示重要信息",
  },
  commands: {
    init: {
      summary: "识别文件夹中的 CRM，写入 holdfast.yaml，建立仓库",
      options: { yes: "不询问，直接采用识别结果" },
      arguments: { folder: "CRM 所在的文件夹（默认：当前文件夹）" },
    },
    doctor: { summary: "检查备份和恢复所需的一切", options: {}, arguments: {} },
    backup: {
      summary: "备份 CRM：数据库、文件和配置成为一个恢复点",
      options: {
        dryRun: "只预估行数、文件数、字节数和时间",
        wait: "等待该 CRM 的另一次运行结束（默认：不限时）",
        limit: "none：尽可能快，不受配置中的限制，也不顾他人",
        acceptInconsistencies: "接受现状：缺少文件的记录、无记录引用的文件和无法备份的部分今后不再警告",
      },
      arguments: { kind: "full（全量）、incremental（增量）或 differential（差异）；默认为增量，首次为全量" },
    },
    snapshots: { summary: "列出恢复点", options: {}, arguments: {} },
    follow: {
      summary: "保存 CRM 每一项已提交的变更，约在提交后一秒，直到被停止",
      options: { noBackup: "日志缺少可由之继续的备份时，不自行备份" },
      arguments: {},
    },
    transactions: {
      summary: "列出某一时刻前后的事务，以便选择",
      options: { within: "该时刻前后多远（默认：1m）" },
      arguments: { moment: "例如 @2026-03-12T14:00（默认：现在）" },
    },
    browse: {
      summary: "查看恢复点的内容：记录、文件、表、行",
      options: { limit: "显示多少条记录（默认 50）", after: "从这条记录之后继续" },
      arguments: {
        point: "latest、快照编号或 @时刻（默认：latest）",
        what: "记录，如 party 或 party/12；或路径，如 /files、/databases/main/contacts（默认：/）",
      },
    },
    search: {
      summary: "按文字查找任一恢复点中的记录和文件",
      options: {
        point: "latest、live、快照编号或 @时刻（默认：latest）",
        deleted: "较早的恢复点中有、而这个时刻没有的记录",
        only: "仅这些实体、表或数据库，或 files：party,invoice",
        limit: "显示多少个（默认 50）",
      },
      arguments: { words: "记录的文本中须含有每个词，不区分大小写" },
    },
    history: {
      summary: "一条记录在所有恢复点中的各个版本，以及每次更改了什么",
      options: { live: "也查看 CRM 当前的状态", noise: "也显示 CRM 自行写入的字段" },
      arguments: { record: "例如 party/12，由实体或表加主键组成" },
    },
    compare: {
      summary: "两个时刻之间有何不同：记录、文件、表结构",
      options: {
        all: "列出每条记录和每个文件（默认每类前 10 个）",
        noise: "也显示 CRM 自行写入的字段",
        csv: "以 CSV 输出，每个字段一行",
      },
      arguments: {
        from: "latest、live、快照编号或 @时刻",
        to: "latest、live、快照编号或 @时刻",
        only: "仅这些实体、表或数据库，或 files",
      },
    },
    restore: { summary: "计划、执行和撤销还原", options: {}, arguments: {} },
    "restore plan": {
      summary: "显示还原将做什么，并保存为计划；不做任何改动",
      options: planOptions,
      arguments: planArguments,
    },
    "restore apply": {
      summary: "执行计划",
      options: applyOptions,
      arguments: { plan: "`restore plan` 显示的计划编号" },
    },
    "restore run": {
      summary: "制定还原方案并立即执行；执行前会询问",
      options: {
        ...planOptions,
        ...applyOptions,
        yes: "执行前不询问；替换正在使用的 CRM 仍须输入其名称，或用 --confirm",
      },
      arguments: planArguments,
    },
    "restore undo": {
      summary: "放回被还原替换掉的内容",
      options: {
        list: "列出可以撤销的还原",
        wait: "等待该 CRM 的另一次运行结束（默认：不限时）",
      },
      arguments: { id: "哪一次还原（默认：最近一次）" },
    },
    erase: { summary: "使某些记录不再被还原", options: {}, arguments: {} },
    "erase plan": {
      summary: "在所有恢复点中查找记录及其所属内容，显示哪些将不再给出",
      options: {
        reason: "原因，会显示在 `erase list` 中，例如申请编号",
        search: "包含所有这些词的记录",
        in: "与 --search 同用：只在这些实体、表或数据库中查找",
        point: "在哪里查找记录：latest（默认）、快照编号或 @时刻",
      },
      arguments: { records: "例如 contact/12" },
    },
    "erase apply": {
      summary: "从现在起，任何还原和查看都不再给出计划所列的内容",
      options: {
        confirm: "CRM 的名称，代替手动输入",
        by: "由谁提出（默认：当前用户）",
        wait: "等待该 CRM 的另一次运行结束（默认：不限时）",
      },
      arguments: { plan: "`erase plan` 显示的计划编号" },
    },
    "erase list": {
      summary: "显示抹除了什么、何时、由谁、为什么",
      options: {},
      arguments: {},
    },
    forget: {
      summary: "删除没有规则保留的恢复点，或指定的恢复点；其数据由 `prune` 清理",
      options: {
        dryRun: "只显示哪些会保留、为什么，以及哪些会删除",
        prune: "随后进行清理",
        keep: "成套规则：short（一个月）、standard（三年）或 long（十年）",
        keepLast: "保留最新的若干个（或 all：全部）",
        keepHourly: "在若干个小时中各保留最新的一个",
        keepDaily: "在若干天中各保留最新的一个",
        keepWeekly: "在若干周中各保留最新的一个",
        keepMonthly: "在若干个月中各保留最新的一个",
        keepYearly: "在若干年中各保留最新的一个",
        keepWithin: "保留不早于此时长的全部恢复点，例如 10d 或 1y6m",
        keepWithinHourly: "在此时长内，每小时保留最新的一个",
        keepWithinDaily: "在此时长内，每天保留最新的一个",
        keepWithinWeekly: "在此时长内，每周保留最新的一个",
        keepWithinMonthly: "在此时长内，每月保留最新的一个",
        keepWithinYearly: "在此时长内，每年保留最新的一个",
        keepTag: "保留带有其中一组全部标签的恢复点：a,b",
        now: "与 --prune 一起：立即删除",
        deleteAfter: "与 --prune 一起：数据包删除前保留的时长（默认 23h）",
        maxUnused: "与 --prune 一起：允许留下多少无用数据，例如 5% 或 1GB（默认 5%）",
        maxRepackSize: "与 --prune 一起：最多重写多少数据",
        wait: "等待他人释放锁（默认不限时）",
      },
      arguments: { ids: "要删除的快照的 ID，代替规则" },
    },
    hold: {
      summary: "保留一个恢复点，在解除之前不会被删除",
      options: {
        until: "保留到的最后一天，例如 2027-01-31",
        wait: "等待他人释放锁（默认不限时）",
      },
      arguments: { point: "latest、快照 ID 或 @时刻" },
    },
    release: {
      summary: "解除对一个恢复点的保留",
      options: { wait: "等待他人释放锁（默认不限时）" },
      arguments: { point: "latest、快照 ID 或 @时刻" },
    },
    prune: {
      summary: "收回不再被任何恢复点需要的空间",
      options: {
        dryRun: "只显示将要做什么",
        now: "立即删除；否则数据包现在移出索引，由以后的清理删除",
        deleteAfter: "数据包在被以后的清理删除之前保留的时长（默认 23h）",
        maxUnused: "允许留下多少无用数据，例如 5% 或 1GB（默认 5%）",
        maxRepackSize: "最多重写多少数据，例如 2GB（默认不限）",
        wait: "等待他人释放锁（默认不限时）",
      },
      arguments: {},
    },
    copy: {
      summary: "把恢复点复制到另一个仓库；那里已有的内容不会重复存储",
      options: {
        to: "holdfast.yaml 中某个副本的名称，或任意位置（默认：每个副本）",
        toPasswordFile: "目标仓库的密码文件",
        create: "目标处没有仓库时新建一个",
        sameKey: "与 --create 一起：让它与本仓库共用密钥；此后复制省力得多，而任一仓库的密码都能读取两边的文件",
        wait: "等待另一次复制或他人的锁结束（默认：不限时）",
      },
      arguments: { points: "latest、快照编号或 @时刻（默认：那里还没有的全部恢复点）" },
    },
    export: {
      summary: "将仓库写入磁带或归档卷",
      options: {
        to: "文件夹（每卷一个文件），或 tape:设备，如 tape:/dev/nst0",
        name: "卷集的名称（默认：按日期和种类）",
        volumeSize: "文件夹中每卷的大小，如 4.7GB（默认：到磁盘写满）",
        resume: "从中断的那一卷继续",
        discard: "放弃中断的集",
        base: "早先各卷所在处，若本机已不记得",
        changer: "磁带换带机的设备，如 /dev/sg3",
        slots: "可用的槽位，如 1-8",
        wait: "等待另一次导出或他人的锁结束（默认：不限时）",
      },
      arguments: { kind: "full、differential 或 incremental（默认：incremental，首次为 full）" },
    },
    import: {
      summary: "将卷（或其中的单个文件）带回仓库",
      options: {
        set: "只导入这些集",
        only: "只导入仓库的这些文件，如 data/3f/3f…；只读取含有它们的卷",
        into: "仓库所在处或将要存放处（默认：配置中的仓库）",
        changer: "磁带换带机的设备，如 /dev/sg3",
        slots: "可用的槽位，如 1-8",
      },
      arguments: { place: "存放卷的文件夹，或 tape:设备" },
    },
    advise: {
      summary: "根据仓库的实际情况比较各种备份方式，并推荐一种",
      options: { picture: "另存为图片：SVG 文件" },
      arguments: {},
    },
    status: { summary: "总体情况：一句话、每个 CRM、每项计划任务", options: {}, arguments: {} },
    serve: { summary: "到时候就做该做的事：一个进程，直到被停止", options: {}, arguments: {} },
    jobs: { summary: "服务正在运行、等待和已完成的任务", options: {}, arguments: {} },
    "jobs list": { summary: "正在运行和等待的任务，以及最近结束的任务", options: {}, arguments: {} },
    "jobs start": {
      summary: "让服务现在执行一项任务",
      options: {
        kind: "备份的种类",
        plan: "还原时：要执行的方案",
        confirm: "还原会替换现有内容时：CRM 的名称",
      },
      arguments: { job: "做什么", subject: "CRM 或副本（默认：全部）" },
    },
    "jobs cancel": {
      summary: "结束正在运行或等待的任务",
      options: {},
      arguments: { id: "任务 ID，或其开头几位" },
    },
    alert: { summary: "出现问题时通知谁", options: {}, arguments: {} },
    "alert test": {
      summary: "向每条路由（或其中一条）发送一条消息，走真实警报的同一条路",
      options: {},
      arguments: { route: "路由名称" },
    },
    drill: {
      summary: "还原到单独的位置，检查、启动、询问，然后再删除",
      options: {
        scratch: "存放副本的文件夹；不给时用 Holdfast 自己的状态文件夹",
        toDatabase:
          "副本所用数据库的 URL，该数据库须尚不存在；或 `private`：放在只为它启动的服务器上；不给时建在 CRM 的数据库旁边",
        page: "把演练凭证写成可打印的页面",
      },
      arguments: { point: "恢复点：`latest`、编号或时刻" },
    },
    verify: {
      summary: "检查整个仓库，指出每一处缺陷",
      options: {
        readData: "同时读取每一个字节",
        readDataSubset: "只读取一部分：2/10、10% 或 5G；最久未读的优先",
      },
      arguments: {},
    },
    key: { summary: "仓库的密码", options: {}, arguments: {} },
    "key list": { summary: "列出仓库的密码：何时、由谁设置", options: {}, arguments: {} },
    "key add": {
      summary: "增加一个也能打开仓库的密码",
      options: { newPasswordFile: "存放新密码的文件（HOLDFAST_NEW_PASSWORD_FILE）；不指定则询问" },
      arguments: {},
    },
    "key passwd": {
      summary: "更改正在使用的密码；旧密码失效之前先验证新密码",
      options: { newPasswordFile: "存放新密码的文件（HOLDFAST_NEW_PASSWORD_FILE）；不指定则询问" },
      arguments: {},
    },
    "key remove": {
      summary: "删除一个密码；绝不删除正在使用的那个",
      options: {},
      arguments: { id: "它的 ID，见 `key list`" },
    },
    unlock: {
      summary: "删除已无人持有的锁",
      options: { force: "删除所有的锁，包括可能仍在运行的任务的锁" },
      arguments: {},
    },
    repair: {
      summary: "挽救受损仓库中还能挽救的内容；只显示计划，不加 --apply 不作任何更改",
      options: {
        lost: "与 snapshots 一起使用：找回已丢失、或已遗忘但尚未清理的恢复点",
        apply: "执行此 ID 的计划",
      },
      arguments: { what: "依次为 `index`、`packs`、`snapshots`" },
    },
    kit: {
      summary: "打印恢复包：位置、密码、命令、校验码",
      options: { output: "写入只有您能读取的文件", check: "使用一次已打印的恢复包：其校验码" },
      arguments: {},
    },
    config: { summary: "配置文件", options: {}, arguments: {} },
    "config validate": { summary: "检查 holdfast.yaml，列出全部问题", options: {}, arguments: {} },
    "config schema": { summary: "输出供编辑器使用的 JSON Schema", options: {}, arguments: {} },
    completion: {
      summary: "输出命令补全脚本",
      options: {},
      arguments: { shell: "bash、zsh 或 fish" },
    },
  },
};
