// Coordinators may race; what makes functions, triggers and tables takes turns.
#pragma once

#include <string>

#include "link/postgres/connection.hpp"

namespace lockstep::switchover {

/// PostgreSQL fails one of two sessions that make or replace the same object at once (XX000, 23505,
/// 42P07). Whoever does not come to the end of a turn may be asleep for an hour: after some seconds
/// the next one goes on without. Not inside of a transaction; kept until the end of this object.
class Turn {
 public:
  Turn(postgres::Connection& connection, const std::string& migration);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  postgres::Connection& connection_;
  std::string key_;
  bool taken_ = true;
};

}  // namespace lockstep::switchover
