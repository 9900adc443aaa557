// What `@summit/maestro-sdk` gives to who writes a task.
export { TaskFailure, defineTask } from "./task.ts";
export type { Effect, ExecuteContext, Task, TaskDefinition } from "./task.ts";
export { serve } from "./serve.ts";
export type { FromSchema } from "./from-schema.ts";
export { NOTIFICATION_SCHEMA } from "./notification.ts";
