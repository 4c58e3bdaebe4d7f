#include "ops/command_line_schema.hpp"

#include <memory>

#include "ops/commands.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

void add_schema(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  struct Typed {
    SchemaRequest request;
    std::string tables, exclude;
  };
  const auto typed = std::make_shared<Typed>();
  CLI::App* schema = app.add_subcommand("schema", "what PostgreSQL gets of the source's schema");
  schema->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, auto command) {
    CLI::App* one = schema->add_subcommand(name, help);
    one->add_option("SOURCE", typed->request.source, "the SQLite file")
        ->type_name("")
        ->envname("LOCKSTEP_SOURCE")
        ->required();
    one->add_option("--schema", typed->request.schema, "PostgreSQL schema (default: public)")
        ->type_name("NAME");
    one->add_option("--tables", typed->tables, "only these tables; * and ? match")
        ->type_name("GLOB,...");
    one->add_option("--exclude", typed->exclude, "without these tables")->type_name("GLOB,...");
    one->add_flag("--json", json, "JSON objects on stdout");
    one->callback([typed, command, &chosen] {
      chosen = [typed, command](Screen& screen) {
        typed->request.tables = split_globs(typed->tables);
        typed->request.exclude = split_globs(typed->exclude);
        return command(typed->request, screen);
      };
    });
    return one;
  };
  add("generate", "print its SQL, and as comments what is not translated; touches nothing",
      command_schema_generate)
      ->footer("Example:\n  lockstep schema generate app.db | less");
  const auto add_target = [&](CLI::App* one) {
    one->add_option("TARGET", typed->request.target, "PostgreSQL: URL, conninfo, or an ORM's URL")
        ->type_name("")
        ->envname("LOCKSTEP_TARGET")
        ->required();
    return one;
  };
  add_target(add("diff",
                 "where the target's tables are other than the source's, and what that blocks; "
                 "exit 4 if they are",
                 command_schema_diff));
  add_target(add("apply", "make the tables that the target has not, as generate prints them",
                 command_schema_apply))
      ->add_flag("--yes", typed->request.yes, "ask nobody");
}

}  // namespace lockstep::ops
