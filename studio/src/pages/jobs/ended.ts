import type { JobStatus } from "../../api";

/** Statuses that nothing follows. */
export const ENDED: ReadonlySet<JobStatus> = new Set<JobStatus>(["Completed", "Failed", "Canceled"]);
