#include "ops/command_line_ddl.hpp"

#include <memory>

#include "ops/commands.hpp"

namespace lockstep::ops {

void add_ddl(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  CLI::App* ddl = app.add_subcommand("ddl",
                                     "what the application did to its schema: status shows it, "
                                     "accept follows it, hold brackets it");
  ddl->require_subcommand(1);
  const auto source = std::make_shared<std::string>();
  const auto add = [&](const char* name, const char* help, auto command) {
    CLI::App* one = ddl->add_subcommand(name, help);
    one->add_option("SOURCE", *source, "the SQLite file")->required()->envname("LOCKSTEP_SOURCE");
    one->add_flag("--json", json, "JSON objects on stdout");
    one->callback([source, command, &chosen] {
      chosen = [source, command](Screen& screen) { return command(*source, screen); };
    });
  };
  add("status", "what changed, and what would happen; exit 3 if something waits for a decision",
      command_ddl_status);
  add("hold", "before a migration: schema changes are neither followed nor stopped at until accept",
      command_ddl_hold);
  add("accept", "follow dropped and renamed columns and tables with the next run",
      command_ddl_accept);
}

}  // namespace lockstep::ops
