#include "tests/support/standby.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace fs = std::filesystem;
namespace {

void run_as_server(const PostgresServer& of, std::vector<std::string> arguments) {
  struct stat owner {};
  if (::stat(of.data_folder().c_str(), &owner) != 0)
    throw std::runtime_error("no " + of.data_folder().string());
  ProcessOptions options{.directory = "/"};
  if (::geteuid() == 0) {
    options.user = owner.st_uid;
    options.group = owner.st_gid;
  }
  const Outcome outcome = run(std::move(arguments), options);
  if (outcome.status != ExitStatus{.code = 0})
    throw std::runtime_error(outcome.output + outcome.error_output);
}

}  // namespace

void make_standby(PostgresServer& standby, const PostgresServer& primary) {
  standby.stop_fast();
  fs::path binaries;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql"))
    if (fs::exists(version.path() / "bin/pg_basebackup")) binaries = version.path() / "bin";
  const std::string data = standby.data_folder().string();
  run_as_server(standby, {"sh", "-c", "rm -rf \"$1\"/*", "sh", data});
  run_as_server(standby,
                {(binaries / "pg_basebackup").string(), "-D", data, "-h", primary.folder().string(),
                 "-U", "postgres", "-R", "-X", "stream", "--checkpoint=fast"});
  standby.start();
}

bool replayed(const PostgresServer& primary, const PostgresServer& standby) {
  const std::string lsn = primary.value("SELECT pg_current_wal_flush_lsn()");
  return wait_until(
      [&] {
        return standby.value("SELECT pg_last_wal_replay_lsn() >= '" + lsn + "'::pg_lsn") == "t";
      },
      std::chrono::seconds(20));
}

}  // namespace lockstep::test
