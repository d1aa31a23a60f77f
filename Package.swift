// swift-tools-version: 6.2
//
// Lanekeeper: a turnstile lane of an expo, from the badge's bytes to the wall screen.
//
// The targets stand in the order of the flow, and arrows go one way, down this list:
//
//   pure rooms     Admission ← Framing, Wording          no I/O, no clock, no randomness, no Foundation
//   I/O rooms      Posix ← Cryptography … CommandLine     one kind of resource each
//   shells         LaneDaemon, Uplink, Collector, Technician
//   programs       parse, assemble, run
//
// I/O rooms use Posix and the pure rooms. Exceptions, each with its reason:
//   Posix → CLinux           eventfd, timerfd, signalfd, accept4 and adjtimex are not in Swift's Glibc module
//   Storage → Cryptography   an image or a statement is refused by hash and signature where it is opened
//
// `Tests/check-arrows` holds this: it compiles with --explicit-target-dependency-import-check error and
// refuses an import of Foundation (or anything but the rooms above) in a pure room.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
]

/// `embedded`: files that become part of the program, as `PackageResources.page_js` and the like.
func room(_ name: String, _ dependencies: [Target.Dependency] = [], embedded: [String] = []) -> Target {
    .target(
        name: name, dependencies: dependencies, resources: embedded.map { .embedInCode($0) }, swiftSettings: strict)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ room: String, _ dependencies: [Target.Dependency] = [], files: [String] = []) -> Target {
    .testTarget(
        name: room + "Tests", dependencies: [.byName(name: room), "TestSupport"] + dependencies,
        exclude: files, swiftSettings: strict)
}

func library(_ name: String, pkgConfig: String, package: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.apt([package])])
}

let package = Package(
    name: "Lanekeeper",
    products: [
        // Loaded with LD_PRELOAD by the tests of Storage; nothing of the product links it.
        .library(name: "FailingCalls", type: .dynamic, targets: ["FailingCalls"]),
        // Loaded with LD_PRELOAD by `lanesim scenario` where a scenario sets the clock.
        .library(name: "SimulatedClock", type: .dynamic, targets: ["SimulatedClock"]),
    ],
    targets: [
        // Pure rooms.
        room("Admission"),
        room("Framing", ["Admission"]),
        room("Wording", ["Admission"]),

        // I/O rooms.
        room("Posix", ["CLinux"]),
        room("Cryptography", ["CCrypto"]),
        room("Devices", ["Admission", "Framing", "Posix", "CGPIO", "CSerialPort"]),
        room("Storage", ["Admission", "Framing", "Posix", "Cryptography", "CChecksum"]),
        room("Configuration", ["Admission", "Posix", "CYAML"]),
        room("Control", ["Admission", "Framing", "Posix"]),
        room("CommandLine", ["Posix"]),

        // Shells, where rooms meet.
        room(
            "LaneDaemon",
            [
                "Admission", "Framing", "Wording", "Posix", "Cryptography", "Devices", "Storage", "Configuration",
                "Control",
            ]),
        room("Uplink", ["Admission", "Framing", "Posix", "Cryptography", "Storage", "Configuration", "CCurl"]),
        room(
            "Collector",
            [
                "Admission", "Framing", "Wording", "Posix", "Cryptography", "Storage", "Configuration", "CMicroHTTPD",
                "CSQLite",
            ],
            embedded: [
                "Page/page.css", "Page/page.js", "Page/desk.css", "Page/desk.js", "Page/fleet.css", "Page/fleet.js",
                "Page/history.js",
            ]),
        room(
            "Technician",
            [
                "Admission", "Framing", "Wording", "Posix", "Cryptography", "Storage", "Configuration", "Control",
                "CommandLine",
            ]),

        // Programs: parse, assemble, run.
        program("lanekeeperd", ["LaneDaemon", "CommandLine", "Posix"]),
        program("lanekeeper-uplink", ["Uplink", "CommandLine", "Posix"]),
        program("lanekeeper-collector", ["Collector", "CommandLine", "Posix"]),
        program("lanectl", ["Technician", "CommandLine", "Posix"]),

        // Debian's C libraries, thin shims.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CChecksum"),
        library("CGPIO", pkgConfig: "libgpiod", package: "libgpiod-dev"),
        library("CSerialPort", pkgConfig: "libserialport", package: "libserialport-dev"),
        library("CMicroHTTPD", pkgConfig: "libmicrohttpd", package: "libmicrohttpd-dev"),
        library("CSQLite", pkgConfig: "sqlite3", package: "libsqlite3-dev"),
        library("CCurl", pkgConfig: "libcurl", package: "libcurl4-openssl-dev"),
        library("CCrypto", pkgConfig: "libcrypto", package: "libssl-dev"),
        library("CYAML", pkgConfig: "yaml-0.1", package: "libyaml-dev"),

        // Tests, one folder a room.
        .target(name: "TestSupport", dependencies: ["Posix"], path: "Tests/TestSupport", swiftSettings: strict),
        .target(name: "FailingCalls", path: "Tests/FailingCalls"),
        .target(name: "SimulatedClock", path: "Simulators/SimulatedClock"),
        .executableTarget(
            name: "storage-driver", dependencies: ["Admission", "Framing", "Posix", "Cryptography", "Storage"],
            path: "Tests/StorageDriver", swiftSettings: strict),
        .executableTarget(
            name: "uplink-crowd",
            dependencies: ["Admission", "Framing", "Posix", "Storage", "CommandLine", "Uplink"],
            path: "Tests/UplinkCrowd", swiftSettings: strict),
        .executableTarget(
            name: "cache-bench",
            dependencies: ["Admission", "Framing", "Posix", "Cryptography", "Storage", "LaneDaemon", "CSQLite"],
            path: "Tests/Benchmarks/Cache/Program", swiftSettings: strict),
        .executableTarget(
            name: "intake-bench", dependencies: ["Admission", "Framing", "Posix"],
            path: "Tests/Benchmarks/Intake/Program", swiftSettings: strict),
        tests("Admission", ["Framing"]),
        tests("Framing", ["Admission", "Cryptography", "Posix"], files: ["Vectors"]),
        tests("Wording", ["Admission"]),
        tests("Posix"),
        tests("Cryptography", ["Posix"]),
        tests("Devices", ["Admission", "Framing", "Posix"]),
        tests("Storage", ["Admission", "Framing", "Posix", "Cryptography"]),
        tests("Configuration", ["Posix"]),
        tests("Control", ["Admission", "Framing", "Posix"]),
        tests("CommandLine"),
        tests(
            "LaneDaemon",
            ["Admission", "Framing", "Posix", "Cryptography", "Devices", "Storage", "Configuration", "Control"]),
        tests("Uplink", ["Admission", "Framing", "Posix", "Cryptography", "Storage", "Configuration"]),
        tests("Collector", ["Admission", "Framing", "Wording", "Posix", "Cryptography", "Storage", "Configuration"]),
        tests("Technician", ["Admission", "Framing", "Posix", "Cryptography", "Storage", "Control", "CommandLine"]),
    ]
)
