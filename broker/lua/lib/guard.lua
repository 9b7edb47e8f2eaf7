-- purpose: carry out one of many things so that an error in it does not take the others along: what came before is written
-- already, since scripts are not rolled back, and what was gathered for the end of the call must still be written (R23)
local Guard = {}

-- As pcall; in place of the error its text.
function Guard.call(act, ...)
  local ok, first, second = pcall(act, ...)
  if ok then return true, first, second end
  return false, tostring(type(first) == 'table' and first.err or first)
end
