#include "ops/command_line_quarantine.hpp"

#include <memory>
#include <utility>

#include "ops/command_line_arguments.hpp"
#include "ops/command_line_config.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

struct TypedQuarantine {
  Arguments arguments;
  QuarantineRequest request;
};

// Either side alone will do: the source knows its target, the ledger its source.
void find_sides(TypedQuarantine& typed) {
  Arguments& arguments = typed.arguments;
  if (arguments.target.empty() && looks_like_target(arguments.source))
    arguments.target = std::exchange(arguments.source, {});
  typed.request.source = source_or_nothing(arguments);
  typed.request.target = target_of(arguments);
  if (typed.request.source.empty() && typed.request.target.empty())
    throw_usage("SOURCE and TARGET are missing", "give one of them; see --help");
}

}  // namespace

void add_quarantine(CLI::App& app, bool& json, std::function<ExitCode(Screen&)>& chosen) {
  using What = QuarantineRequest::What;
  CLI::App* quarantine = app.add_subcommand(
      "quarantine", "rows that PostgreSQL cannot hold as they are, and that wait aside");
  quarantine->require_subcommand(1);
  quarantine->footer(
      "Examples:\n  lockstep quarantine list app.db\n  lockstep quarantine retry app.db --table "
      "orders\n  lockstep quarantine skip app.db --row 3,7");
  const auto typed = std::make_shared<TypedQuarantine>();
  const auto add = [&](const char* name, const char* help, What what) {
    CLI::App* one = quarantine->add_subcommand(name, help);
    one->add_option("SOURCE", typed->arguments.source, "the SQLite file")->type_name("");
    one->add_option("TARGET", typed->arguments.target, "PostgreSQL")->type_name("");
    one->add_option("--source", typed->arguments.source_flag, "the same")->type_name("SOURCE");
    one->add_option("--target", typed->arguments.target_flag, "the same")->type_name("TARGET");
    add_config_flag(*one, typed->arguments.config);
    one->add_option("--row", typed->request.rows, "by the numbers that list prints")
        ->delimiter(',')
        ->type_name("N,...");
    one->add_option("--table", typed->arguments.tables, "of these tables; * and ? match")
        ->type_name("GLOB,...");
    one->add_option("--key", typed->request.key, "by the key as list prints it")->type_name("KEY");
    if (what == What::skip) one->add_flag("--all", typed->request.all, "every row");
    one->add_flag("--json", json, "JSON objects on stdout");
    one->callback([typed, what, &chosen] {
      typed->request.what = what;
      chosen = [typed](Screen& screen) {
        typed->arguments.settings = settings_for(typed->arguments.config, screen);
        typed->request.tables = split_globs(typed->arguments.tables);
        find_sides(*typed);
        return command_quarantine(typed->request, screen);
      };
    });
  };
  add("list", "which rows, why, and how many", What::list);
  add("show", "the same, each in full", What::show);
  add("retry", "read these rows once more (all, unless some are named)", What::retry);
  add("skip", "accept that these rows stay absent; they are listed as skipped", What::skip);
}

}  // namespace lockstep::ops
