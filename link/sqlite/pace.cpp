#include "link/sqlite/pace.hpp"

#include <sqlite3.h>

#include <cstring>
#include <thread>

namespace lockstep::sqlite {

namespace {

constexpr int kIndexBytes = 32'768;  // of the first block of the wal-index
constexpr std::size_t kFramesAt = 16;
constexpr std::size_t kBackfilledAt = 96;
constexpr Milliseconds kLook{2};

std::uint32_t word_at(const volatile void* index, std::size_t offset) {
  // The header is shared with writers: one aligned word is read as a whole, and a stale one only
  // means another look.
  return *reinterpret_cast<const volatile std::uint32_t*>(static_cast<const volatile char*>(index) +
                                                          offset);
}

}  // namespace

std::optional<WalState> wal_state(Database& database) {
  sqlite3_file* file = nullptr;
  if (sqlite3_file_control(database.handle(), "main", SQLITE_FCNTL_FILE_POINTER, &file) !=
          SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2 ||
      !database.in_wal_mode())
    return std::nullopt;
  volatile void* index = nullptr;
  if (file->pMethods->xShmMap(file, 0, kIndexBytes, 0, &index) != SQLITE_OK || index == nullptr)
    return std::nullopt;
  return WalState{word_at(index, kFramesAt), word_at(index, kBackfilledAt)};
}

void Pace::let_writer_pass() {
  std::optional<WalState> state = wal_state(database_);
  if (!state) return;
  const std::int64_t page_bytes = database_.pragma_int("page_size");
  if (state->frames * page_bytes < limits_.wal_bytes_max) return;
  const Deadline deadline(limits_.wal_wait_max);
  SteadyTime written = steady_now();
  while (!deadline.passed()) {
    std::this_thread::sleep_for(kLook);
    const std::optional<WalState> now = wal_state(database_);
    if (!now || now->frames < state->frames) return;  // it was restarted
    if (now->frames > state->frames) written = steady_now();
    if (steady_now() - written > limits_.wal_still) return;
    state = now;
  }
  ++in_vain_;
}

Milliseconds Pace::slice() {
  return database_.in_wal_mode() ? limits_.slice_wal : limits_.slice_journal;
}

}  // namespace lockstep::sqlite
