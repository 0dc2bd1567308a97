# Toolchain file: cross-compiles for 64-bit ARM with Debian's g++-aarch64-linux-gnu.
# LORALENS_SYSROOT: folder with the libraries and headers of Debian's arm64 packages; tests/aarch64/run makes it.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(MOLD OFF CACHE FILEPATH "GCC for another processor finds no linker but its own")
set(CMAKE_SYSROOT ${LORALENS_SYSROOT})
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES LORALENS_SYSROOT)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -cpu max -L ${LORALENS_SYSROOT})

set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${LORALENS_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${LORALENS_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig:${LORALENS_SYSROOT}/usr/share/pkgconfig)
