import type { DrillReport } from "../engine/drill.ts";
import type { Context } from "./context.ts";
import { checkSentence, failureSentence, placeSentence } from "./drill-words.ts";

/** The evidence of a drill as one page to print or to keep: no scripts, nothing from elsewhere. */
export function drillPage(context: Context, report: DrillReport): string {
  const { words, format } = context;
  const texts = words.drill;
  const place = placeSentence(context, report);
  const facts: readonly (readonly [string, string])[] = [
    [texts.crm, report.crm],
    [texts.point, `${report.snapshot.id.slice(0, 8)}, ${format.time(report.moment)}`],
    [texts.began, format.time(report.startedAt)],
    [texts.ended, format.time(report.finishedAt)],
    [
      texts.restored,
      `${format.count(report.rows, "row")}, ${format.count(report.files, "file")}, ${format.bytes(report.bytes)}`,
    ],
    ...(place === undefined ? [] : [[texts.where, place] as const]),
    [texts.rto, format.duration(report.rtoMs)],
    [texts.rpo, format.duration(report.rpoMs)],
    [texts.id, report.id],
  ];
  const problem = failureSentence(context, report);
  const checks = [
    ...report.checks.map((check) => [check.state, checkSentence(context, check)] as const),
    ...(problem === undefined ? [] : [["failed", problem] as const]),
    ...report.left.map((what) => ["failed", format.fill(texts.left, { what })] as const),
  ];
  const title = format.fill(texts.title, { crm: report.crm });
  return `<!doctype html>
<html lang="${format.language}">
<head>
<meta charset="utf-8">
<title>${escaped(title)}</title>
<style>
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } .outcome { font-size: 1.1rem; padding: .5rem .8rem; border: 2px solid; border-radius: .4rem; }
.ok { color: #14662d; } .failed { color: #a11; } .none, .skipped { color: #555; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; } th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #ccc; }
th { font-weight: 600; width: 34%; } td.state { width: 8rem; }
@media print { body { margin: 0; max-width: none; } }
</style>
</head>
<body>
<h1>${escaped(title)}</h1>
<p class="outcome ${report.outcome}">${escaped(format.fill(report.outcome === "ok" ? texts.passed : texts.failed, { crm: report.crm }))}</p>
<table>
${facts.map(([name, value]) => `<tr><th scope="row">${escaped(name)}</th><td>${escaped(value)}</td></tr>`).join("\n")}
</table>
<h2>${escaped(texts.checked)}</h2>
<table>
${checks.map(([state, text]) => `<tr><td class="state ${state}">${escaped(texts.states[state])}</td><td>${escaped(text)}</td></tr>`).join("\n")}
</table>
</body>
</html>
`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
