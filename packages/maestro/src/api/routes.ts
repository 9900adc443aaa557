import { answerApproval, listApprovals } from "./approvals.ts";
import { exportAudit, listAudit } from "./audit.ts";
import { listArtifacts, readArtifact } from "./artifacts.ts";
import { compareRuns } from "./compare.ts";
import { createDisclosure, createDisclosureSalts } from "./disclosures.ts";
import { listEvents } from "./events.ts";
import {
  checkLedger,
  getCheckpoint,
  getReceiptProof,
  getTile,
  getTimestamp,
  listLedger,
  listWitnesses,
  proveConsistency,
} from "./ledger.ts";
import { describeIdentity, makeLoginLink, redeemLoginLink, showLoginPage } from "./login.ts";
import { listLogs, readLog } from "./logs.ts";
import { getRunPlan, planWorkflow } from "./plans.ts";
import { getReceipt, getRunReceipt, listReceipts } from "./receipts.ts";
import { describeApi } from "./describe.ts";
import { getRetention, listHolds, releaseHold, runRetention, setHold } from "./retention.ts";
import { getMetrics } from "./metrics.ts";
import { evaluateAccess, evaluateAccesses, getAuthzenConfiguration } from "./authzen.ts";
import { searchActions, searchResources, searchSubjects } from "./authzen-search.ts";
import { endBreakGlass, listBreakGlass, openBreakGlass } from "./break-glass.ts";
import { askPolicy, comparePolicy, getPolicy, reloadPolicy } from "./policy.ts";
import { explainDecision, explainRun, whoCan } from "./policy-decisions.ts";
import { describeError } from "./help.ts";
import type { Route } from "./route.ts";
import { changeRun, getRun, listRuns, rerunRun, signalRun, startRun } from "./runs.ts";
import { exchangeToken, listSessions, logOut, revokeSession, revokeSessions, whoAmI } from "./sessions.ts";
import { getHealth, getLiveness, getReadiness, getTask, getTrustRoot, listTasks, replayRun } from "./system.ts";
import { addTask, removeTask } from "./task-types.ts";
import { getKeySet, getOpenIdConfiguration } from "./workload.ts";
import { getWorkflow, listWorkflows, publishWorkflow } from "./workflows.ts";

/** Every operation of the API. What is not here cannot be called; the router, the reference and the tests read this. */
export const ROUTES: readonly Route[] = [
  planWorkflow,
  publishWorkflow,
  listWorkflows,
  getWorkflow,
  startRun,
  listRuns,
  getRun,
  changeRun,
  rerunRun,
  signalRun,
  getRunPlan,
  listEvents,
  listLogs,
  readLog,
  listArtifacts,
  readArtifact,
  getRunReceipt,
  listReceipts,
  getReceipt,
  getReceiptProof,
  createDisclosure,
  createDisclosureSalts,
  listAudit,
  exportAudit,
  listLedger,
  checkLedger,
  getCheckpoint,
  getTimestamp,
  getTile,
  listWitnesses,
  proveConsistency,
  replayRun,
  compareRuns,
  listApprovals,
  answerApproval,
  listTasks,
  getTask,
  addTask,
  removeTask,
  getTrustRoot,
  runRetention,
  getRetention,
  setHold,
  releaseHold,
  listHolds,
  whoAmI,
  listSessions,
  revokeSession,
  revokeSessions,
  logOut,
  exchangeToken,
  makeLoginLink,
  redeemLoginLink,
  showLoginPage,
  describeIdentity,
  getPolicy,
  askPolicy,
  comparePolicy,
  whoCan,
  explainDecision,
  explainRun,
  reloadPolicy,
  openBreakGlass,
  endBreakGlass,
  listBreakGlass,
  evaluateAccess,
  evaluateAccesses,
  searchSubjects,
  searchResources,
  searchActions,
  getAuthzenConfiguration,
  getMetrics,
  getHealth,
  describeError,
  getLiveness,
  getReadiness,
  getOpenIdConfiguration,
  getKeySet,
  describeApi(() => ROUTES),
];
