#include "switchover/held_keys.hpp"

#include <utility>

#include "apply/quarantine.hpp"
#include "link/wire/control.hpp"

namespace lockstep::switchover {

std::vector<capture::KeyToRead> held_keys(postgres::Connection& connection,
                                          const std::string& migration,
                                          const std::vector<TablePlan>& plans) {
  std::vector<capture::KeyToRead> keys;
  if (apply::count_quarantine(connection, migration).empty()) return keys;
  for (const TablePlan& plan : plans)
    for (const std::string& text : apply::read_quarantined_keys(connection, migration, plan.id)) {
      std::vector<Value> key = wire::decode_key(text);
      if (key.size() == plan.shape.key.size()) keys.push_back({plan.id, std::move(key)});
    }
  return keys;
}

}  // namespace lockstep::switchover
