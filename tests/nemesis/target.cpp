#include "tests/nemesis/target.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "tests/support/standby.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::nemesis {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using test::PostgresServer;

namespace {

// Segments of the WAL are neither filled with zeroes nor used again: each byte needs room.
const std::vector<std::string> kSettings{"fsync=off", "wal_init_zero=off", "wal_recycle=off"};

}  // namespace

Target::Target() : first_(kSettings, environment("full")) {}

/// The server's user reads the library and looks for the file.
std::vector<std::string> Target::environment(const char* full) const {
  const std::string library = folder_.file("faulty_disk.so");
  if (!fs::exists(library)) {
    fs::permissions(folder_.path(), fs::perms{0755});
    fs::copy_file(FAULTY_DISK, library);
    fs::permissions(library, fs::perms{0755});
  }
  return {"LD_PRELOAD=" + library, "FAULTY_DISK_FULL=" + folder_.file(full)};
}

std::string Target::address(const std::string& database) const {
  if (!standby_) return first_.dsn(database);
  return fmt::format("host={},{} dbname={} user=postgres", first_.folder().string(),
                     standby_->folder().string(), database);
}

void Target::add_standby() {
  standby_ = std::make_unique<PostgresServer>(kSettings, environment("full_too"));
  test::make_standby(*standby_, first_);
}

void Target::fail_over(std::chrono::milliseconds behind) {
  if (!standby_ || standby_leads_) throw std::logic_error("there is no standby to promote");
  if (behind > 0ms) standby_->stop_fast();
  std::this_thread::sleep_for(behind);
  first_is_down_ = true;
  first_.kill_hard();
  if (behind > 0ms) standby_->start();
  if (standby_->value("SELECT pg_promote()") != "t")
    throw std::runtime_error("the standby was not promoted: " + standby_->log());
  standby_leads_ = true;
}

void Target::fill_disk(std::string_view folder) {
  const std::string full = folder_.file(standby_leads_ ? "full_too" : "full");
  std::ofstream(full + "~") << folder;
  fs::permissions(full + "~", fs::perms{0644});
  fs::rename(full + "~", full);
}

void Target::room_again() {
  for (const char* full : {"full", "full_too"}) fs::remove(folder_.file(full));
}

// A segment has 16 MiB; what it has already may still be written over.
void Target::panic(std::chrono::milliseconds time) {
  PostgresServer& panics = server();
  const std::size_t before = panics.log().size();
  const auto says = [&](const char* words, std::size_t from) {
    return panics.log().find(words, from);
  };
  fill_disk("pg_wal");
  try {
    panics.query(
        "SELECT pg_logical_emit_message(true, 'fill', repeat('x', (16777216 + 65536 - "
        "(pg_current_wal_insert_lsn() - '0/0') % 16777216)::int))");
  } catch (const std::runtime_error&) {  // it dies of it
  }
  std::this_thread::sleep_for(time);
  room_again();
  const std::size_t panicked = says("PANIC:", before);
  if (panicked == std::string::npos) return;  // another fault was first
  const bool again = test::wait_until(
      [&] {
        return says("ready to accept connections", panicked) != std::string::npos ||
               says("database system is shut down", panicked) != std::string::npos;
      },
      30s, 10ms);
  if (!again) throw std::runtime_error("a server that panicked does not end: " + panics.log());
  if (!panics.comes_up()) panics.start();
}

void Target::settle() {
  room_again();
  standby_.reset();
  standby_leads_ = false;
  if (std::exchange(first_is_down_, false)) first_.start();
}

}  // namespace lockstep::nemesis
