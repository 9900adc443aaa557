/**
 * `node:http` without what only comes along: an import asks for everything the module exports, and `WebSocket` among that
 * loads the whole of fetch, 45 ms of every command and every start.
 */
export const { createServer, request, STATUS_CODES } = process.getBuiltinModule("node:http");
