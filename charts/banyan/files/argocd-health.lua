-- The health of a DataCenter, SecurityBaseline or Waiver for Argo CD, which runs this with the object in `obj`.
-- Ready says that Banyan has done its work, not that the world is well: a site above its target is Healthy, with a message.
local status = obj.status or {}
local observed = status.observedGeneration or -1
local ready = nil
local unwell = {}
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.status ~= "True" then
    table.insert(unwell, condition.type .. " is " .. condition.status .. ": " .. (condition.message or condition.reason))
  end
end

if obj.metadata.deletionTimestamp ~= nil then
  return { status = "Progressing", message = "being deleted: what Banyan holds for it is given back first" }
end
if ready == nil or observed < (obj.metadata.generation or 0) then
  return { status = "Progressing", message = "Banyan has not looked at this generation yet" }
end
if ready.status == "False" then
  return { status = "Degraded", message = ready.reason .. ": " .. (ready.message or "") }
end
if ready.status ~= "True" then
  return { status = "Progressing", message = ready.reason .. ": " .. (ready.message or "") }
end
if obj.spec ~= nil and obj.spec.suspend then
  return { status = "Suspended", message = "spec.suspend is set: Banyan looks and changes nothing" }
end
if #unwell > 0 then
  return { status = "Healthy", message = table.concat(unwell, "; ") }
end
return { status = "Healthy", message = ready.message or "" }
