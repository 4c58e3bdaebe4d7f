// Coordinators may race; what makes functions, triggers and tables takes turns.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::switchover {

/// PostgreSQL fails one of two sessions that make or replace the same object at once (XX000, 23505,
/// 42P07). Not inside of a transaction; the session keeps it until the end of this object.
class Turn {
 public:
  /// Waits for others; throws LS-T213 if one of them does not come to its end.
  Turn(postgres::Connection& connection, const std::string& migration);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  postgres::Connection& connection_;
  std::string key_;
};

}  // namespace lockstep::switchover
