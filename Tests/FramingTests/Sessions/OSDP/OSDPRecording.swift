import Foundation

/// A recorded session of Tests/FramingTests/Vectors.
struct OSDPRecording: Decodable {
    struct Frame: Decodable {
        var from: String
        var seq: Int
        var code: String
        var hex: String
        var bytes: [UInt8] { FramingTests.bytes(hex) }
        var isCommand: Bool { from == "CP" }
    }
    var addr: UInt8
    var scbk: String?
    var frames: [Frame]

    /// The values of RND.A in the challenges, in turn.
    var challenges: [[UInt8]] {
        // Mark, 5 bytes of header, 3 of security block, code.
        frames.filter { $0.isCommand && $0.code == "76" }.map { Array($0.bytes[10..<18]) }
    }

    static func read(_ name: String) throws -> OSDPRecording {
        try JSONDecoder().decode(OSDPRecording.self, from: vector(name))
    }
}

func vector(_ name: String) throws -> Data {
    let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Vectors")
    return try Data(contentsOf: folder.appending(path: name))
}
