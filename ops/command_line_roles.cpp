#include "ops/command_line_roles.hpp"

#include <memory>

#include "ops/commands.hpp"

namespace lockstep::ops {

void add_roles(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  const auto request = std::make_shared<RolesRequest>();
  CLI::App* roles = app.add_subcommand(
      "roles", "print the SQL of least-privilege roles for TARGET; touches nothing");
  roles->footer(
      "Example:\n  lockstep roles --database shop --schema shop --app-role shop_app | psql -d "
      "shop");
  const auto name = [&](const char* flag, std::string& value, const char* help) {
    return roles->add_option(flag, value, help)->type_name("NAME");
  };
  name("--database", request->database, "the target database")->required();
  name("--schema", request->schema, "schema of the copied tables (default: public)");
  name("--app-role", request->roles.app, "the application's role; it reads the copied tables")
      ->required();
  name("--apply-role", request->roles.apply,
       "who run, apply and remove log in as (lockstep_apply)");
  name("--verify-role", request->roles.verify, "who verify and status log in as (lockstep_verify)");
  name("--owner-role", request->roles.owner, "owns the schemas, cannot log in (lockstep_owner)");
  roles->add_flag("--json", json, "one JSON object on stdout");
  roles->callback([request, &chosen] {
    chosen = [request](Screen& screen) { return command_roles(*request, screen); };
  });
}

}  // namespace lockstep::ops
