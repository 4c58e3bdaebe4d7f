// better-sqlite3 of Node.js with a SQLite of its own, built from source at the first run and kept
// in the build folder.
#pragma once

#include <fcntl.h>
#include <sys/file.h>

#include <filesystem>

#include "tests/system/world.hpp"

namespace lockstep::test {

inline const std::filesystem::path kWriterSource = LOCKSTEP_SOURCE_DIR "/tests/data/node_writer";
inline const std::filesystem::path kWriterFolder = TEST_BUILD_DIR "/node_writer";

inline void in_folder(const std::filesystem::path& folder, std::vector<std::string> command,
                      std::vector<std::string> environment = {}) {
  const Outcome outcome =
      run(std::move(command), {.environment = std::move(environment), .directory = folder.string()},
          10min);
  require_code(outcome, 0);
}

/// Until the result ends: another program may be at it.
inline Descriptor locked(const std::filesystem::path& file) {
  Descriptor alone{::open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)};
  REQUIRE(::flock(alone.get(), LOCK_EX) == 0);
  return alone;
}

/// What node-gyp is told: Node's headers come from beside the program if they are there.
inline std::vector<std::string> builds_natively() {
  const Outcome program = run({"node", "-p", "process.execPath"});
  require_code(program, 0);
  const std::filesystem::path prefix =
      std::filesystem::path{program.output.substr(0, program.output.find('\n'))}
          .parent_path()
          .parent_path();
  std::vector<std::string> environment{"JOBS=2"};
  if (std::filesystem::exists(prefix / "include/node/node.h"))
    environment.push_back("npm_config_nodedir=" + prefix.string());
  return environment;
}

/// npm fetches what package-lock.json names; its scripts, which would look for binaries elsewhere,
/// do not run.
inline void install_writer() {
  const std::filesystem::path lock = kWriterFolder / "package-lock.json";
  const std::filesystem::path built =
      kWriterFolder / "node_modules/better-sqlite3/build/Release/better_sqlite3.node";
  std::filesystem::create_directories(kWriterFolder);
  const Descriptor alone = locked(kWriterFolder / "lock");
  const bool same = contents(lock) == contents(kWriterSource / "package-lock.json");
  for (const char* name : {"package.json", "package-lock.json", "writer.js"})
    std::filesystem::copy_file(kWriterSource / name, kWriterFolder / name,
                               std::filesystem::copy_options::overwrite_existing);
  const Outcome loads = run({"node", "-e", "new (require('better-sqlite3'))(':memory:')"},
                            {.directory = kWriterFolder.string()});
  if (same && std::filesystem::exists(built) && loads.status == ExitStatus{.code = 0}) return;
  in_folder(kWriterFolder, {"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"});
  in_folder(kWriterFolder, {"npm", "run", "build-sqlite"}, builds_natively());
}

}  // namespace lockstep::test
