/** Every kind of job that becomes due, by the name it has in `holdfast.yaml`, in reports and in metrics. */
export const dueJobNames = ["backup", "forget", "prune", "copy", "verify", "drill"] as const;
/** Every kind of job that can be scheduled: beside those, what runs as long as the service does. */
export const jobNames = [...dueJobNames, "follow"] as const;
export type JobName = (typeof jobNames)[number];
