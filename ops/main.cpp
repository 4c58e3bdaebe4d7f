#include "ops/command_line.hpp"

int main(int argc, char** argv) {
  lockstep::ops::Signals signals;  // before any thread
  return lockstep::ops::run_command_line(argc, argv, signals);
}
