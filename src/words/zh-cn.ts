import { commands } from "./zh-cn/commands.ts";
import { doctor } from "./zh-cn/doctor.ts";
import { errors } from "./zh-cn/errors.ts";
import { finding } from "./zh-cn/finding.ts";
import { notices } from "./zh-cn/notices.ts";
import { platforms } from "./zh-cn/platforms.ts";
import { problems } from "./zh-cn/problems.ts";
import { recovery } from "./zh-cn/recovery.ts";
import { repository } from "./zh-cn/repository.ts";
import { service } from "./zh-cn/service.ts";
import type { Words } from "./words.ts";

/**
 * 简体中文。术语：恢复点 recovery point，还原 restore，备份 backup，快照 snapshot，仓库 repository，演练 drill，
 * 全量 full，增量 incremental，差异 differential。键与占位符同 `en.ts` 与 `en/` 一致。
 */
export const zhCn: Words = {
  units: {
    row: { one: "{n} 行", other: "{n} 行" },
    table: { one: "{n} 张表", other: "{n} 张表" },
    file: { one: "{n} 个文件", other: "{n} 个文件" },
    warning: { one: "{n} 条警告", other: "{n} 条警告" },
    problem: { one: "{n} 个问题", other: "{n} 个问题" },
    defect: { one: "{n} 处缺陷", other: "{n} 处缺陷" },
    snapshot: { one: "{n} 个快照", other: "{n} 个快照" },
    point: { one: "{n} 个时刻", other: "{n} 个时刻" },
    item: { one: "{n} 项", other: "{n} 项" },
    crm: { one: "{n} 个 CRM", other: "{n} 个 CRM" },
    blob: { one: "{n} 个数据块", other: "{n} 个数据块" },
    pack: { one: "{n} 个包文件", other: "{n} 个包文件" },
    day: { one: "{n} 天", other: "{n} 天" },
    job: { one: "{n} 项计划", other: "{n} 项计划" },
    request: { one: "{n} 次请求", other: "{n} 次请求" },
    tree: { one: "{n} 个目录树", other: "{n} 个目录树" },
    volume: { one: "{n} 卷", other: "{n} 卷" },
    backup: { one: "{n} 次备份", other: "{n} 次备份" },
    transaction: { one: "{n} 个事务", other: "{n} 个事务" },
    group: { one: "{n} 组", other: "{n} 组" },
  },
  label: { error: "错误", hint: "提示", warning: "警告", colon: "：", comma: "，", none: "无" },
  neutralised: platforms.neutralised,
  afterRestore: platforms.afterRestore,
  maintenance: platforms.maintenance,
  keyUses: platforms.keyUses,
  entities: platforms.entities,
  ...errors,
  ...problems,
  ...notices,
  ...doctor,
  ...commands,
  ...repository,
  ...finding,
  ...recovery,
  ...service,
};
