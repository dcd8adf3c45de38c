import { deliverTest } from "../jobs/alerting.ts";
import { JobStore } from "../jobs/store.ts";
import { HoldfastError } from "../lib/errors.ts";
import type { Command } from "./command.ts";
import { exitCodes } from "./exit-codes.ts";
import { alertingFor, neededConfig, servicePlace } from "./job-world.ts";

export const alertTestCommand: Command = {
  name: "alert test",
  answers: "stream",
  arguments: [{ form: "[route]" }],
  async run(context, invocation) {
    const { words, format, output, surroundings } = context;
    const config = await neededConfig(context);
    const [name] = invocation.arguments;
    const { routes } = config.alerts;
    const wanted = name === undefined ? routes : routes.filter((route) => route.name === name);
    if (wanted.length === 0) {
      const known = routes.map((route) => route.name).join(", ");
      throw new HoldfastError("alert-none", { ...(name !== undefined && { name }), ...(known && { known }) });
    }
    using store = new JobStore((await servicePlace(context, config)).file);
    const options = alertingFor(context, config.alerts, store);
    let failed: string | undefined;
    for (const route of wanted) {
      const delivery = await deliverTest(options, route, surroundings.signal);
      output.record({
        type: "delivery",
        ...delivery,
        timeMs: undefined,
        time: new Date(delivery.timeMs).toISOString(),
      });
      const sent = delivery.outcome === "sent";
      const template = sent ? words.alerts.sent : words.alerts.notSent;
      const text = format.fill(template, { route: route.name, reason: delivery.detail });
      output.line(output.paint(sent ? "green" : "red", text));
      if (!sent) failed ??= delivery.detail ?? "";
    }
    if (failed !== undefined) throw new HoldfastError("alert-failed", { reason: failed });
    return exitCodes.done;
  },
};
