// Nothing but a place for CMake to build the precompiled <catch2/catch.hpp> that all test programs
// share.
