-- The health of a TrainingJob or PredictionJob for Argo CD, from its conditions.
--
-- A job counts as Healthy once the service has accepted it, so that a sync does not wait for hours of training.
-- A resource with the annotation mljobs.dev/argocd-health: outcome is Progressing until its job has succeeded.

local status = obj.status or {}

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function says(kind, value)
  return conditions[kind] ~= nil and conditions[kind].status == value
end

local function health(word, kind)
  local condition = conditions[kind]
  return { status = word, message = condition.reason .. ": " .. condition.message }
end

if next(conditions) == nil or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting for the operator to see this version of the spec" }
end
if says("Stalled", "True") then
  return health("Degraded", "Stalled")
end
if says("Succeeded", "False") then
  return health("Degraded", "Succeeded")
end
if says("Succeeded", "True") then
  return health("Healthy", "Succeeded")
end
if says("Reconciling", "True") then
  return health("Progressing", "Reconciling")
end
if says("Suspended", "True") then
  return health("Suspended", "Suspended")
end
if not says("Submitted", "True") then
  return { status = "Progressing", message = "Waiting for the service to accept the job" }
end

local annotations = obj.metadata.annotations or {}
local running = "Healthy"
if annotations["mljobs.dev/argocd-health"] == "outcome" then
  running = "Progressing"
end
return { status = running, message = "The service has accepted the job, which is " .. (status.state or "new") }
