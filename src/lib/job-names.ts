/** Every kind of job that can be scheduled, by the name it has in `holdfast.yaml`, in reports and in metrics. */
export const jobNames = ["backup", "forget", "prune", "copy", "verify", "drill"] as const;
export type JobName = (typeof jobNames)[number];
