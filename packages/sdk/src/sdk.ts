// What `@summit/maestro-sdk` gives to who writes a task.
export { TaskFailure, defineTask } from "./task.ts";
export type { Effect, ExecuteContext, Task, TaskDefinition } from "./task.ts";
export { workloadToken } from "./token.ts";
export type { TokenOptions, WorkloadToken } from "./token.ts";
export { serve } from "./serve.ts";
export type { FromSchema } from "./from-schema.ts";
export { NOTIFICATION_SCHEMA } from "./notification.ts";
