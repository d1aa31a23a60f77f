import Admission

/// Gives each holder of the site a number, once and for ever.
final class HolderRegister {
    private let database: Database
    private let select: SQLStatement
    private let insert: SQLStatement

    init(_ database: Database) throws(CollectorFailure) {
        self.database = database
        select = try database.prepare("SELECT number FROM holder WHERE id=?")
        insert = try database.prepare("INSERT INTO holder(id) VALUES(?)")
    }

    func number(of holder: String) throws(CollectorFailure) -> HolderNumber {
        select.bind(1, holder)
        if try select.step() {
            let number = select.integer(0)
            select.reset()
            return try checked(number)
        }
        insert.bind(1, holder)
        try insert.run()
        return try checked(database.lastInsertedRow)
    }

    private func checked(_ number: Int64) throws(CollectorFailure) -> HolderNumber {
        guard let small = UInt32(exactly: number), small > 0 else {
            throw CollectorFailure("number a holder in", database.path, "the 4,294,967,295 numbers are used up")
        }
        return HolderNumber(small)
    }
}
