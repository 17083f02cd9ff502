# Debian's cross-compiler; what it makes runs under qemu.
# apt-get install g++-aarch64-linux-gnu qemu-user
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
# doctest is nothing but headers, which are this machine's: looked up last, after the target's own.
set(CMAKE_CXX_FLAGS_INIT "-idirafter /usr/include")
