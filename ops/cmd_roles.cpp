#include <nlohmann/json.hpp>

#include "ops/commands.hpp"

namespace lockstep::ops {

ExitCode command_roles(const RolesRequest& request, Screen& screen) {
  const std::string sql = roles_sql(request.roles, request.database, request.schema);
  screen.text(sql);
  screen.json(nlohmann::json{{"type", "roles"}, {"sql", sql}}.dump());
  return ExitCode::done;
}

}  // namespace lockstep::ops
