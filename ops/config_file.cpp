#include "ops/config_file.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "link/postgres/dsn.hpp"
#include "ops/names.hpp"

namespace lockstep::ops {

namespace {

void look_for_password(const std::string& path, const config::Loaded& loaded, Screen& screen) {
  if (!loaded.target_written_out) return;
  const postgres::Dsn dsn = postgres::parse_dsn(loaded.settings.target);
  if (dsn.parameter("password").empty() && dsn.parameter("sslpassword").empty()) return;
  const std::string what = fmt::format("a password is written in {}", path);
  const std::string better = "better: ~/.pgpass, a service file, or ${env:NAME} in the file";
  if (!loaded.others_can_read) {
    screen.note(Note{"LS-C103", "", fmt::format("{}; {}", what, better)});
    return;
  }
  throw Error({.code = "LS-C103",
               .exit = ExitCode::usage,
               .what = what + " and others can read the file",
               .data = "nothing was touched",
               .todo = fmt::format("chmod 600 {}; {}", path, better)});
}

void read_hook(const config::Loaded& loaded, config::HookEntry& entry) {
  if (entry.file.empty()) return;
  const std::filesystem::path path = std::filesystem::path(loaded.folder) / entry.file;
  std::ifstream file(path, std::ios::binary);
  entry.sql.assign(std::istreambuf_iterator<char>{file}, {});
  if (file && !entry.sql.empty()) return;
  throw Error(
      {.code = "LS-C130",
       .exit = ExitCode::usage,
       .what = fmt::format("the file {} of a hook cannot be read, or is empty", path.string()),
       .data = "nothing was touched",
       .todo = "check its path; a relative one starts in the folder of the configuration"});
}

}  // namespace

config::Loaded load_config(const std::string& path, Screen& screen) {
  config::Loaded loaded = config::load_file(path);
  if (!loaded.problems.empty()) config::throw_problems(path, loaded.problems);
  look_for_password(path, loaded, screen);
  for (auto* hook : {&loaded.settings.after_schema, &loaded.settings.after_snapshot})
    for (config::HookEntry& entry : *hook) read_hook(loaded, entry);
  std::string& source = loaded.settings.source;
  if (!source.empty()) {
    // A relative path means the same file wherever the command is started.
    const std::filesystem::path file = source_path(source);
    source =
        file.is_absolute() ? file.string() : (std::filesystem::path(loaded.folder) / file).string();
  }
  std::string& hooks = loaded.settings.hooks_dir;
  if (!hooks.empty()) hooks = (std::filesystem::path(loaded.folder) / hooks).string();
  return loaded;
}

}  // namespace lockstep::ops
