#include "ops/command_line_switch.hpp"

#include <memory>
#include <string>

#include "ops/commands.hpp"

namespace lockstep::ops {

namespace {

struct TypedSwitch {
  SwitchRequest request;
  std::string max_pause, max_lag, verify_max_age, hooks;
  std::vector<std::string> gates;
};

// The flag, else the configuration file, else what holds where nobody says.
Milliseconds limit(const char* flag, const std::string& typed, const std::string& from_file,
                   const char* standard) {
  if (!typed.empty()) return duration_of(flag, typed);
  return duration_of(flag, from_file.empty() ? standard : from_file);
}

// The file's gates, then those of flags.
std::vector<UserGate> gates_of(const config::SwitchSetting& file,
                               const std::vector<std::string>& typed) {
  std::vector<UserGate> gates;
  for (const config::GateSetting& gate : file.gates)
    gates.push_back(
        {gate.name, gate.command, gate.source_sql, gate.target_sql, gate.expect == "no-rows"});
  for (const std::string& command : typed) gates.push_back({command, {"/bin/sh", "-c", command}});
  return gates;
}

SwitchRequest request_of(const TypedSwitch& typed, const Arguments& arguments) {
  SwitchRequest request = typed.request;
  const bool forward = request.direction == switchover::Direction::forward;
  const config::Settings& settings = arguments.settings;
  const config::SwitchSetting& file = forward ? settings.cutover : settings.rollback;
  request.source = source_of(arguments);
  request.target = target_of(arguments);
  GateLimits& limits = request.limits;
  limits.max_pause = limit("--max-pause", typed.max_pause, file.max_pause, "800ms");
  limits.max_lag = limit("--max-lag", typed.max_lag, file.max_lag, "500ms");
  limits.verify_max_age =
      limit("--verify-max-age", typed.verify_max_age, file.verify_max_age, "60min");
  limits.own = gates_of(file, typed.gates);
  limits.waivers = settings.waivers;
  limits.try_way_back = request.dry_run ? TryWayBack::yes : TryWayBack::if_all_open;
  request.hooks = typed.hooks.empty() ? settings.hooks_dir : typed.hooks;
  return request;
}

void add_direction(CLI::App& app, switchover::Direction direction, Arguments& arguments,
                   Signals& signals, const std::function<void(CLI::App&)>& add_sides,
                   std::function<ExitCode(Screen&)>& chosen, bool& stops_by_itself) {
  const bool forward = direction == switchover::Direction::forward;
  CLI::App* command = app.add_subcommand(
      std::string(to_string(direction)),
      forward ? "move the writers to PostgreSQL, with a pause of milliseconds; SQLite is kept "
                "current for the way back"
              : "move the writers back to SQLite; PostgreSQL is followed into it until then");
  add_sides(*command);
  const auto typed = std::make_shared<TypedSwitch>();
  typed->request.direction = direction;
  command->add_flag("--dry-run", typed->request.dry_run,
                    "print the gates and the steps and do nothing; exit 0 or 3");
  command
      ->add_option("--max-pause", typed->max_pause,
                   "how long writers may wait at most; beyond it everything stays as it was "
                   "(default 800ms)")
      ->type_name("DURATION");
  command->add_flag("--when-ready", typed->request.when_ready,
                    "wait until every gate is open, then begin");
  command
      ->add_option("--confirm", typed->request.confirm,
                   "the migration's name, which is asked for on a terminal")
      ->type_name("NAME");
  command->add_option("--max-lag", typed->max_lag, "gate (default 500ms)")->type_name("DURATION");
  command
      ->add_option("--verify-max-age", typed->verify_max_age,
                   forward ? "gate: the last clean comparison is not older (default 60min; 0 asks "
                             "for none)"
                           : "gate: the last clean comparison is not older, of tables that were "
                             "written since the cutover one since then (default 60min; 0 asks for "
                             "none, but nothing may be known to differ)")
      ->type_name("DURATION");
  command
      ->add_option("--gate", typed->gates,
                   "a command of your own that must exit with 0; may be given more than once")
      ->type_name("COMMAND");
  if (!forward) {
    command->add_flag("--accept-left-out", typed->request.limits.accept_left_out,
                      "go back although tables were made on PostgreSQL since the cutover: their "
                      "rows stay there, and SQLite has no such tables");
    command->add_flag(
        "--unproven", typed->request.limits.unproven,
        "in an emergency: whatever comparisons say, or none was made. Given up is the "
        "proof that SQLite holds what PostgreSQL does; rows that differ become what "
        "the application reads and writes");
  }
  if (forward) {
    command->add_flag(
        "--accept-orphans", typed->request.limits.accept_orphans,
        "switch although rows have no parent by a foreign key, which PostgreSQL would "
        "refuse to write again");
    command->add_flag("--accept-unsafe-server", typed->request.limits.accept_unsafe_server,
                      "switch although fsync, full_page_writes or synchronous_commit is off: what "
                      "the server has acknowledged may be lost in a crash");
  }
  command->add_flag("--accept-async-standby", typed->request.limits.accept_async_standby,
                    "switch although no standby is synchronous");
  command
      ->add_option("--hooks", typed->hooks,
                   forward ? "folder with pre-cutover.d (may say no) and post-switch.d"
                           : "folder with pre-rollback.d (may say no) and post-rollback.d")
      ->type_name("FOLDER");
  command->callback([typed, &arguments, &signals, &chosen, &stops_by_itself] {
    stops_by_itself = true;
    chosen = [typed, &arguments, &signals](Screen& screen) {
      return command_switch(request_of(*typed, arguments), screen, signals);
    };
  });
}

void add_ends(CLI::App& app, Arguments& arguments, const std::function<void(CLI::App&)>& add_sides,
              std::function<ExitCode(Screen&)>& chosen) {
  CLI::App* complete = app.add_subcommand(
      "complete",
      "after a cutover: no way back any more; lockstep's things go, SQLite stays fenced");
  add_sides(*complete);
  const auto completing = std::make_shared<CompleteRequest>();
  complete->add_option("--confirm", completing->confirm, "the migration's name")->type_name("NAME");
  complete->callback([completing, &arguments, &chosen] {
    chosen = [completing, &arguments](Screen& screen) {
      completing->source = source_of(arguments);
      completing->target = target_of(arguments);
      return command_complete(*completing, screen);
    };
  });
  CLI::App* remove = app.add_subcommand(
      "remove",
      "take every trigger and table of ours out of SOURCE again (and our ledger out of TARGET)");
  remove->footer(
      "The copied tables on the target stay. Without TARGET only the source is touched. Before a "
      "cutover, or after a\nrollback, the application writes to SQLite as if we had never been "
      "there.");
  add_sides(*remove);
  const auto removing = std::make_shared<RemoveRequest>();
  remove
      ->add_option("--confirm", removing->confirm,
                   "the migration's name: also takes the fence off the old copy of a completed one")
      ->type_name("NAME");
  remove->callback([removing, &arguments, &chosen] {
    chosen = [removing, &arguments](Screen& screen) {
      removing->source = source_of(arguments);
      removing->target = target_of(arguments);
      return command_remove(*removing, screen);
    };
  });
}

}  // namespace

void add_switch(CLI::App& app, Arguments& arguments, Signals& signals,
                const std::function<void(CLI::App&)>& add_sides,
                std::function<ExitCode(Screen&)>& chosen, bool& stops_by_itself) {
  for (const auto direction : {switchover::Direction::forward, switchover::Direction::reverse})
    add_direction(app, direction, arguments, signals, add_sides, chosen, stops_by_itself);
  add_ends(app, arguments, add_sides, chosen);
  CLI::App* route = app.add_subcommand(
      "route", "which side readers and writers should use now, also as a file beside SOURCE");
  const auto request = std::make_shared<RouteRequest>();
  route->add_option("SOURCE", request->source, "the SQLite file")
      ->required()
      ->envname("LOCKSTEP_SOURCE");
  route->add_flag("--json", arguments.json, "one JSON object on stdout");
  CLI::App* readers = route->add_subcommand(
      "readers", "send readers to one side; moves no data, and writers stay where they are");
  readers->add_option("SIDE", request->readers, "postgres or sqlite")
      ->required()
      ->check(CLI::IsMember({"postgres", "sqlite"}));
  route->callback([request, &chosen] {
    chosen = [request](Screen& screen) { return command_route(*request, screen); };
  });
}

}  // namespace lockstep::ops
