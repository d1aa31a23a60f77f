import Cryptography
import Framing
import Posix

/// The newest signed statement, as the uplink put it there. Not believed before it was verified here.
public enum StatementFile {
    /// nil when there is none yet.
    public static func read(_ path: String, trusting trust: SiteTrust) throws(StorageError) -> Statement? {
        let bytes = try storing { () throws(SystemFailure) in try smallFile(path, limit: Statement.longest) }
        guard let bytes else { return nil }
        do { return try verify(bytes, trusting: trust) } catch { throw .statement(path: path, error) }
    }

    public static func verify(
        _ bytes: [UInt8], trusting trust: SiteTrust
    ) throws(StatementRefusal) -> Statement {
        let parsed: (statement: Statement, signedPart: [UInt8], signature: [UInt8])
        do { parsed = try Statement.parse(bytes) } catch { throw .notAStatement(error) }
        guard parsed.statement.site == trust.site else { throw .otherSite(parsed.statement.site) }
        do {
            guard try trust.key.verify(parsed.signature, of: parsed.signedPart) else {
                throw StatementRefusal.foreignSignature
            }
        } catch let refusal as StatementRefusal { throw refusal } catch { throw .notVerifiable("\(error)") }
        return parsed.statement
    }
}
