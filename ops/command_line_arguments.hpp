// What was typed, and what follows from it: flags before the environment, the environment before
// the configuration file.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/settings.hpp"
#include "ops/command_line_wire.hpp"
#include "ops/commands.hpp"

namespace lockstep::ops {

/// Everything that any command's flags fill in.
struct Arguments {
  std::string source, target, source_flag, target_flag;
  std::string tables, exclude, schema, until, on_existing_row;
  VerifyRequest verify;
  TypedEndpoint endpoint;
  KeysRequest keys;
  AssessRequest assess;
  std::string config;
  config::Settings settings;  // of the file
  std::string side, condition, timeout = "60s";
  std::vector<std::string> rest;
  std::string stalled_after = "30s";
  bool watch = false;
  std::string on_bad_value, guard;
  bool accept_target = false;
  bool json = false;
  bool quiet = false;
};

[[noreturn]] void throw_usage(const std::string& what, const std::string& todo);
/// LS-C100 if the text is no duration; `flag` is what gave it.
[[nodiscard]] Milliseconds duration_of(std::string_view flag, const std::string& text);
/// SOURCE as typed, from the environment, or from the file; in this order. Throws LS-C100 if nobody
/// says.
[[nodiscard]] std::string source_of(const Arguments& arguments);
/// The same; empty if nobody says.
[[nodiscard]] std::string source_or_nothing(const Arguments& arguments);
/// Empty if nobody says.
[[nodiscard]] std::string target_of(const Arguments& arguments);
[[nodiscard]] std::string needed_target_of(const Arguments& arguments);
/// Either of them.
[[nodiscard]] std::string side_of(const Arguments& arguments);
[[nodiscard]] std::string schema_of(const Arguments& arguments);
/// The flag, else the file; LS-C100 for a word that is neither stop nor quarantine.
[[nodiscard]] BadValuePolicy on_bad_value_of(const Arguments& arguments);
/// The flag, else the file, else reject; LS-C100 for a word that is none of the three.
[[nodiscard]] apply::GuardMode guard_of(const Arguments& arguments);
/// Of the file; nothing if there is none: then it stays as it was.
[[nodiscard]] std::optional<apply::DualChoice> dual_write_of(const Arguments& arguments);
/// The globs of a flag if it was given, else those of the file.
[[nodiscard]] std::vector<std::string> chosen(const std::string& flag,
                                              const std::vector<std::string>& file);

}  // namespace lockstep::ops
