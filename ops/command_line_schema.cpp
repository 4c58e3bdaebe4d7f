#include "ops/command_line_schema.hpp"

#include <memory>

#include "ops/command_line_arguments.hpp"
#include "ops/command_line_config.hpp"
#include "ops/commands.hpp"

namespace lockstep::ops {

namespace {

SchemaRequest request_of(const Arguments& given, bool has_target, bool yes) {
  SchemaRequest request{.source = source_of(given), .schema = schema_of(given), .yes = yes};
  if (has_target) request.target = needed_target_of(given);
  request.choice.tables = chosen(given.tables, given.settings.include);
  request.choice.exclude = chosen(given.exclude, given.settings.exclude);
  request.choice.expect = given.settings.expect;
  request.choice.rules = given.settings.rules.value_or(RuleSet());
  request.choice.on_bad_value = on_bad_value_of(given);
  return request;
}

}  // namespace

void add_schema(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen_command) {
  struct Typed {
    Arguments arguments;
    bool yes = false;
  };
  const auto typed = std::make_shared<Typed>();
  CLI::App* schema = app.add_subcommand("schema", "what PostgreSQL gets of the source's schema");
  schema->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, bool has_target, auto command) {
    Arguments& arguments = typed->arguments;
    CLI::App* one = schema->add_subcommand(name, help);
    one->add_option("SOURCE", arguments.source, "the SQLite file")->type_name("");
    if (has_target)
      one->add_option("TARGET", arguments.target, "PostgreSQL: URL, conninfo, or an ORM's URL")
          ->type_name("");
    add_config_flag(*one, arguments.config);
    one->add_option("--schema", arguments.schema, "PostgreSQL schema (default: public)")
        ->type_name("NAME");
    one->add_option("--tables", arguments.tables, "only these tables; * and ? match")
        ->type_name("GLOB,...");
    one->add_option("--exclude", arguments.exclude, "without these tables")->type_name("GLOB,...");
    one->add_flag("--json", json, "JSON objects on stdout");
    one->callback([typed, has_target, command, &chosen_command] {
      chosen_command = [typed, has_target, command](Screen& screen) {
        typed->arguments.settings = settings_for(typed->arguments.config, screen);
        return command(request_of(typed->arguments, has_target, typed->yes), screen);
      };
    });
    return one;
  };
  add("generate", "print its SQL, and as comments what is not translated; touches nothing", false,
      command_schema_generate)
      ->footer("Example:\n  lockstep schema generate app.db | less");
  add("diff",
      "where the target's tables are other than the source's, and what that blocks; exit 4 if they "
      "are",
      true, command_schema_diff);
  add("apply", "make the tables that the target has not, as generate prints them", true,
      command_schema_apply)
      ->add_flag("--yes", typed->yes, "ask nobody");
}

}  // namespace lockstep::ops
