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
  CLI::App* generate = schema->add_subcommand(
      "generate", "print its SQL, and as comments what is not translated; touches nothing");
  generate->footer("Example:\n  lockstep schema generate app.db | less");
  generate->add_option("SOURCE", typed->request.source, "the SQLite file")
      ->type_name("")
      ->envname("LOCKSTEP_SOURCE")
      ->required();
  generate->add_option("--schema", typed->request.schema, "PostgreSQL schema (default: public)")
      ->type_name("NAME");
  generate->add_option("--tables", typed->tables, "only these tables; * and ? match")
      ->type_name("GLOB,...");
  generate->add_option("--exclude", typed->exclude, "without these tables")->type_name("GLOB,...");
  generate->add_flag("--json", json, "one JSON object on stdout");
  generate->callback([typed, &chosen] {
    chosen = [typed](Screen& screen) {
      typed->request.tables = split_globs(typed->tables);
      typed->request.exclude = split_globs(typed->exclude);
      return command_schema_generate(typed->request, screen);
    };
  });
}

}  // namespace lockstep::ops
