#include "ops/command_line_ddl.hpp"

#include <memory>
#include <string_view>

#include "ops/commands.hpp"

namespace lockstep::ops {

void add_ddl(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  CLI::App* ddl = app.add_subcommand("ddl",
                                     "what the application did to its schema: status shows it, "
                                     "accept follows it, hold brackets it");
  ddl->require_subcommand(1);
  const auto request = std::make_shared<DdlRequest>();
  const auto add = [&](const char* name, const char* help, auto command) {
    CLI::App* one = ddl->add_subcommand(name, help);
    one->add_option("SOURCE", request->source, "the SQLite file")
        ->required()
        ->envname("LOCKSTEP_SOURCE");
    if (std::string_view(name) != "status")
      one->add_option("TARGET", request->target,
                      "PostgreSQL, whose guard is open while the schema is held (default: the one "
                      "that SOURCE is followed into)")
          ->envname("LOCKSTEP_TARGET");
    one->add_flag("--json", json, "JSON objects on stdout");
    one->callback([request, command, &chosen] {
      chosen = [request, command](Screen& screen) { return command(*request, screen); };
    });
  };
  add("status", "what changed, and what would happen; exit 3 if something waits for a decision",
      command_ddl_status);
  add("hold",
      "before a migration: schema changes are neither followed nor stopped at until accept; "
      "meanwhile the target's guard is open",
      command_ddl_hold);
  add("accept", "follow dropped and renamed columns and tables with the next run",
      command_ddl_accept);
}

}  // namespace lockstep::ops
