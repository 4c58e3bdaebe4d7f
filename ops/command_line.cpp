#include "ops/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>

#include "link/postgres/dsn.hpp"
#include "ops/command_line_arguments.hpp"
#include "ops/command_line_config.hpp"
#include "ops/command_line_ddl.hpp"
#include "ops/command_line_quarantine.hpp"
#include "ops/command_line_roles.hpp"
#include "ops/command_line_schema.hpp"
#include "ops/command_line_switch.hpp"
#include "ops/command_line_wire.hpp"
#include "ops/commands.hpp"
#include "ops/hardening.hpp"
#include "ops/names.hpp"
#include "ops/nearest_command.hpp"
#include "ops/version.hpp"

namespace lockstep::ops {

namespace {

constexpr char kSourceHelp[] = "the SQLite file (also sqlite:///..., file:...)";
constexpr char kTargetHelp[] =
    "PostgreSQL: URL, conninfo, or an ORM's URL; passwords come from ~/.pgpass, PGPASSWORD, a "
    "service file";

void add_common(CLI::App& command, Arguments& arguments) {
  add_config_flag(command, arguments.config);
  command.add_flag("--json", arguments.json, "one JSON object per line on stdout");
  command.add_flag("--quiet", arguments.quiet, "no progress; results, notes and errors stay");
  command.add_option("--source", arguments.source_flag, kSourceHelp)->type_name("SOURCE");
  command.add_option("--target", arguments.target_flag, kTargetHelp)->type_name("TARGET");
}

void add_sides(CLI::App& command, Arguments& arguments) {
  command.add_option("SOURCE", arguments.source, kSourceHelp)->type_name("");
  command.add_option("TARGET", arguments.target, kTargetHelp)->type_name("");
  add_common(command, arguments);
}

void add_side(CLI::App& command, Arguments& arguments) {
  command
      .add_option("SOURCE|TARGET", arguments.side,
                  "either side: the SQLite file or the PostgreSQL database")
      ->type_name("");
  add_common(command, arguments);
}

void add_choice_of_tables(CLI::App& command, Arguments& arguments) {
  command.add_option("--tables", arguments.tables, "only these tables; * and ? match")
      ->type_name("GLOB,...");
  command.add_option("--exclude", arguments.exclude, "without these tables")->type_name("GLOB,...");
  command
      .add_option(
          "--on-bad-value", arguments.on_bad_value,
          "a value that does not fit its column: stop (the default), quarantine: its row waits "
          "aside, or text: a column that holds such values becomes text")
      ->type_name("stop|quarantine|text");
}

void add_until(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--until", arguments.until,
                  "end (exit 0) once everything captured so far is applied")
      ->check([](const std::string& value) {
        return value == "caught-up" ? std::string() : "only caught-up is known, not " + value;
      })
      ->type_name("caught-up");
}

void add_choice_of_target(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--schema", arguments.schema,
                  "PostgreSQL schema for the tables (default: public)")
      ->type_name("NAME");
  command.add_flag("--accept-target", arguments.accept_target,
                   "after a restore, a clone or an upgrade: TARGET is the right database now");
  add_guard_flag(command, arguments.guard);
}

using Run = std::function<ExitCode(Screen&)>;

/// What most migrations go without.
constexpr const char* kAdvanced[] = {"route", "quarantine", "ddl",   "schema", "config",
                                     "roles", "capture",    "apply", "keys"};

struct Commands {
  CLI::App app{"lockstep keeps a PostgreSQL database in lockstep with a live SQLite database.",
               "lockstep"};
  Arguments arguments;
  Run chosen;
  bool stops_by_itself = false;  // it asks for signals; the others end at once
};

void add_run(Commands& commands, Signals& signals) {
  Arguments& arguments = commands.arguments;
  CLI::App* run = commands.app.add_subcommand("run", "copy, then follow; goes on where it was");
  run->footer(
      "Examples:\n  lockstep run app.db postgresql://owner@db.internal/app\n"
      "  lockstep run app.db 'service=app' --until caught-up --exclude 'sessions,cache_*'");
  add_sides(*run, arguments);
  add_until(*run, arguments);
  add_choice_of_tables(*run, arguments);
  add_choice_of_target(*run, arguments);
  run->add_option("--on-existing-row", arguments.on_existing_row,
                  "rows that are in the target's tables before the copy: fail (default, but not "
                  "for the frameworks' own tables), update (the source's take their place), skip "
                  "(such tables are not followed)")
      ->check(CLI::IsMember({"fail", "update", "skip"}))
      ->type_name("WHAT");
  run->callback([&commands, &signals] {
    commands.stops_by_itself = true;
    commands.chosen = [&](Screen& screen) {
      const Arguments& given = commands.arguments;
      const RunRequest request{.source = source_of(given),
                               .target = needed_target_of(given),
                               .tables = chosen(given.tables, given.settings.include),
                               .exclude = chosen(given.exclude, given.settings.exclude),
                               .expect = given.settings.expect,
                               .rules = given.settings.rules,
                               .schema = schema_of(given),
                               .until_caught_up = !given.until.empty(),
                               .accept_target = given.accept_target,
                               .on_existing_row = !given.on_existing_row.empty()
                                                      ? given.on_existing_row
                                                      : given.settings.on_existing_row,
                               .hooks = hooks_of(given.settings),
                               .continuous = continuous_of(given.settings),
                               .on_bad_value = on_bad_value_of(given),
                               .guard = guard_of(given),
                               .dual_write = dual_write_of(given)};
      return command_run(request, screen, signals);
    };
  });
}

void add_capture_and_apply(Commands& commands, Signals& signals) {
  Arguments& arguments = commands.arguments;
  CLI::App* capture = commands.app.add_subcommand(
      "capture", "the source's half of run, as a process of its own: apply connects to it");
  capture->footer(
      "Examples:\n  lockstep capture app.db --listen ipc:///run/lockstep/app.sock\n"
      "  lockstep capture app.db --listen 'tcp://*:7879' --key here --allow there.pub");
  capture->add_option("SOURCE", arguments.source, kSourceHelp)->type_name("");
  add_common(*capture, arguments);
  add_listen(*capture, arguments.endpoint);
  add_choice_of_tables(*capture, arguments);
  capture->callback([&commands, &signals] {
    commands.stops_by_itself = true;
    commands.chosen = [&](Screen& screen) {
      const Arguments& given = commands.arguments;
      return command_capture({.source = source_of(given),
                              .endpoint = given.endpoint,
                              .tables = chosen(given.tables, given.settings.include),
                              .exclude = chosen(given.exclude, given.settings.exclude),
                              .expect = given.settings.expect,
                              .rules = given.settings.rules,
                              .on_bad_value = on_bad_value_of(given)},
                             screen, signals);
    };
  });

  CLI::App* apply = commands.app.add_subcommand(
      "apply", "the target's half of run, as a process of its own: connects to capture");
  apply->footer(
      "Example:\n  lockstep apply --connect ipc:///run/lockstep/app.sock "
      "postgresql://owner@db.internal/app");
  apply->add_option("TARGET", arguments.target, kTargetHelp)->type_name("");
  add_common(*apply, arguments);
  add_connect(*apply, arguments.endpoint);
  add_until(*apply, arguments);
  add_choice_of_target(*apply, arguments);
  apply->callback([&commands, &signals] {
    commands.stops_by_itself = true;
    commands.chosen = [&](Screen& screen) {
      const Arguments& given = commands.arguments;
      return command_apply({.target = needed_target_of(given),
                            .endpoint = given.endpoint,
                            .schema = schema_of(given),
                            .until_caught_up = !given.until.empty(),
                            .accept_target = given.accept_target,
                            .hooks = hooks_of(given.settings),
                            .guard = guard_of(given),
                            .continuous = continuous_of(given.settings),
                            .dual_write = dual_write_of(given)},
                           screen, signals);
    };
  });
}

void add_status_and_wait(Commands& commands, Signals& signals) {
  Arguments& arguments = commands.arguments;
  CLI::App* status = commands.app.add_subcommand(
      "status", "state, positions captured/applied/acked, lag, tables, what is awaited");
  add_side(*status, arguments);
  status->add_flag("--watch", arguments.watch, "again every second, until Ctrl-C");
  status
      ->add_option("--stalled-after", arguments.stalled_after,
                   "silence that is called stalled (default: 30s)")
      ->type_name("TIME");
  status->callback([&commands, &signals] {
    commands.stops_by_itself = true;
    commands.chosen = [&](Screen& screen) {
      return command_status({side_of(commands.arguments), commands.arguments.watch,
                             duration_of("--stalled-after", commands.arguments.stalled_after)},
                            screen, signals);
    };
  });

  CLI::App* wait =
      commands.app.add_subcommand("wait", "until something is applied; exit 6 on timeout");
  add_side(*wait, arguments);
  wait->add_option("--for", arguments.condition,
                   "caught-up, verified, or applied=POSITION as status prints it")
      ->required()
      ->type_name("CONDITION");
  wait->add_option("--timeout", arguments.timeout, "500ms, 60s, 10min ... (default: 60s)")
      ->type_name("TIME");
  wait->callback([&commands, &signals] {
    commands.stops_by_itself = true;
    commands.chosen = [&](Screen& screen) {
      return command_wait({side_of(commands.arguments), commands.arguments.condition,
                           duration_of("--timeout", commands.arguments.timeout)},
                          screen, signals);
    };
  });
}

void add_verify(Commands& commands) {
  Arguments& arguments = commands.arguments;
  CLI::App* verify = commands.app.add_subcommand(
      "verify", "prove that both sides are equal, row by row, all columns; exit 4 if they differ");
  verify->footer(
      "While lockstep follows SOURCE, each range of a table is compared at one and the same state "
      "of both sides,\nand nobody waits for it; otherwise both sides are compared at rest.");
  add_sides(*verify, arguments);
  verify->add_option("--table", arguments.tables, "only these tables; * and ? match")
      ->type_name("GLOB,...");
  verify->add_flag("--repair", arguments.verify.repair,
                   "show what differs, ask, write those rows of the target anew, compare again");
  verify->add_flag("--yes", arguments.verify.yes, "repair without asking");
  add_check_flags(*verify, arguments.verify);
  verify->callback([&commands] {
    commands.chosen = [&](Screen& screen) {
      VerifyRequest request = commands.arguments.verify;
      request.source = source_of(commands.arguments);
      request.target = target_of(commands.arguments);
      request.tables = chosen(commands.arguments.tables, {});
      request.validators = commands.arguments.settings.validators;
      request.waivers = commands.arguments.settings.waivers;
      return command_verify(request, screen);
    };
  });
}

void add_assess(Commands& commands) {
  Arguments& arguments = commands.arguments;
  CLI::App* assess = commands.app.add_subcommand(
      "assess", "read every value and say what run would do; writes nothing on either side");
  add_sides(*assess, arguments);
  add_choice_of_tables(*assess, arguments);
  assess->add_option("--schema", arguments.schema, "PostgreSQL schema (default: public)")
      ->type_name("NAME");
  add_assess_flags(*assess, arguments.assess);
  assess->callback([&commands] {
    commands.chosen = [&](Screen& screen) {
      const Arguments& given = commands.arguments;
      AssessRequest request = given.assess;
      request.source = source_of(given);
      request.target = target_of(given);
      request.schema = schema_of(given);
      request.choice.tables = chosen(given.tables, given.settings.include);
      request.choice.exclude = chosen(given.exclude, given.settings.exclude);
      request.choice.expect = given.settings.expect;
      request.choice.rules = given.settings.rules.value_or(RuleSet());
      request.choice.on_bad_value = on_bad_value_of(given);
      return command_assess(request, screen);
    };
  });
}

void add_demo(Commands& commands) {
  CLI::App* demo = commands.app.add_subcommand("demo",
                                               "a live SQLite database under load, followed into a "
                                               "private PostgreSQL, with a kill -9 in the middle");
  demo->add_option("ARGUMENT", commands.arguments.rest, "--quick: a small database")->type_name("");
  demo->allow_extras();
  demo->callback([&commands, demo] {
    commands.chosen = [&commands, demo](Screen&) {
      std::vector<std::string> arguments = commands.arguments.rest;
      for (const std::string& extra : demo->remaining()) arguments.push_back(extra);
      return command_demo(arguments);
    };
  });
}

int usage_error(const Commands& commands, const CLI::ParseError& error, int argc, char** argv) {
  std::string todo = "lockstep --help, or lockstep COMMAND --help";
  const std::string typed = argc > 1 ? argv[1] : "";
  if (commands.app.get_subcommands().empty() && !typed.empty() && typed.front() != '-')
    if (const std::string nearest = nearest_command(commands.app, typed); !nearest.empty())
      todo = fmt::format("did you mean: lockstep {}", nearest);
  Screen(commands.arguments.json ? Format::json : Format::text)
      .error({.code = "LS-C100",
              .exit = ExitCode::usage,
              .what = postgres::redacted(error.what(), {}),  // a TARGET where none belongs
              .data = "nothing was touched",
              .todo = todo});
  return static_cast<int>(ExitCode::usage);
}

int run_chosen(Commands& commands) {
  Screen screen(commands.arguments.json ? Format::json : Format::text,
                commands.arguments.quiet ? Progress::quiet : Progress::shown);
  std::optional<Signals::Through> through;
  if (!commands.stops_by_itself) through.emplace();
  try {
    if (commands.app.get_subcommands().front()->get_option_no_throw("--config") != nullptr)
      commands.arguments.settings = settings_for(commands.arguments.config, screen);
    return static_cast<int>(commands.chosen(screen));
  } catch (const Error& error) {
    screen.error(error.facts());
    return static_cast<int>(error.facts().exit);
  } catch (const std::exception& exception) {
    screen.error({.code = "LS-R799",
                  .exit = ExitCode::bug,
                  .what = "lockstep met something it does not know",
                  .why = exception.what(),
                  .data = "safe: rows and position are always one transaction",
                  .todo = "please report this"});
    return static_cast<int>(ExitCode::bug);
  }
}

}  // namespace

int run_command_line(int argc, char** argv, Signals& signals) {
  Commands commands;
  commands.app.set_version_flag("--version", version_text());
  commands.app.require_subcommand(1);
  commands.app.footer(
      "Examples:\n  lockstep assess app.db postgresql://owner@db.internal/app\n"
      "  lockstep run app.db postgresql://owner@db.internal/app\n  lockstep status app.db\n"
      "  lockstep cutover app.db --dry-run\n\nExit codes: 0 done, 2 usage, 3 precondition not met, "
      "4 "
      "different, 5 unreachable, "
      "6 timed out,\n7 stopped half-way (run again), 8 another lockstep is at work, 9 done, but "
      "rows "
      "are in quarantine,\n130/143 stopped by a signal");
  // In the order in which --help lists them: the way of a migration, then the rest.
  add_assess(commands);
  add_run(commands, signals);
  add_status_and_wait(commands, signals);
  add_verify(commands);
  const auto sides = [&commands](CLI::App& one) { add_sides(one, commands.arguments); };
  add_switch(commands.app, commands.arguments, signals, sides, commands.chosen,
             commands.stops_by_itself);
  add_demo(commands);
  add_quarantine(commands.app, commands.arguments.json, commands.chosen);
  add_ddl(commands.app, commands.arguments.json, commands.chosen);
  add_schema(commands.app, commands.arguments.json, commands.chosen);
  add_config(commands.app, commands.arguments.json, commands.chosen);
  add_roles(commands.app, commands.arguments.json, commands.chosen);
  add_capture_and_apply(commands, signals);
  add_keys(commands.app, commands.arguments.keys, [&commands] {
    commands.arguments.json = commands.arguments.keys.json;
    commands.chosen = [&commands](Screen& screen) {
      return command_keys(commands.arguments.keys, screen);
    };
  });
  for (const char* name : kAdvanced) commands.app.get_subcommand(name)->group("Advanced");
  try {
    commands.app.parse(argc, argv);
    hide_secrets(argc, argv);
  } catch (const CLI::Success& success) {
    return commands.app.exit(success);
  } catch (const CLI::ParseError& error) {
    return usage_error(commands, error, argc, argv);
  }
  return run_chosen(commands);
}

}  // namespace lockstep::ops
