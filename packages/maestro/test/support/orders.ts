/** A runbook that picks rows of a file and reports them, if there are any; for tests of `maestro test`. */
export const ORDERS = `apiVersion: maestro/v1
kind: Runbook
metadata: { namespace: shop, name: orders, version: 1.0.0, description: Picks large orders and reports them. }
spec:
  purposes: [operations]
  inputs: { min: { type: integer, default: 100, description: From which total on an order is large } }
  budget: { wall: 1h }
  tasks:
    pick:
      uses: transform@1
      with:
        from: { path: orders.csv }
        where: int(row.total) >= inputs.min
        inputs: { min: "\${{ inputs.min }}" }
    report:
      when: tasks.pick.output.kept > 0
      uses: exec@1
      with: { argv: [echo, "\${{ string(tasks.pick.output.kept) }}"] }
      retry: { attempts: 2 }
  outputs: { large: "\${{ tasks.pick.output.kept }}" }
`;
