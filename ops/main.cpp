#include "ops/command_line.hpp"
#include "ops/hardening.hpp"

int main(int argc, char** argv) {
  lockstep::ops::harden_process();
  lockstep::ops::Signals signals;  // before any thread
  return lockstep::ops::run_command_line(argc, argv, signals);
}
