# What a C++ pipeline needs to link the kernels without Python: find_package(fleck).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(DIRECTORY cpp/include/fleck DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS fleck EXPORT fleckTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT fleckTargets NAMESPACE fleck:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fleck)
configure_package_config_file(
  cmake/fleckConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/fleckConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fleck)
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/fleckConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/fleckConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/fleckConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/fleck)
