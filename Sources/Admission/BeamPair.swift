/// Two light beams across a lane, one behind the other: who walks breaks both, and their order says which way.
///
///     beams on from's side and on to's side, · free, x broken
///
///     ··  x·  xx  ·x  ··     somebody walked forward; he counts as the second beam is free again
///     ··  x·  xx  x·  ··     he turned back: nobody walked
///     ··  x·  ··  ·x  ··     a thin one, who breaks them one after the other within 300 ms, walked
///     x·  xx  ·x  xx  x·  xx  ·x  ··     two, close together: the first counts as the second breaks his second beam
///
/// Somebody who has left the first beam and steps back into it may be the next one or the same: who of both it was shows
/// when the second beam is free. Then the first counts if the one behind him goes on, and not if he goes back.
struct BeamPair: Sendable {
    /// How long a thin one may be between the beams and in neither.
    static let gapMilliseconds: Int64 = 300

    private var isBroken: (from: Bool, to: Bool) = (false, false)
    /// Which way whoever is in the beams came in.
    private var heading: PassageDirection?
    /// He has left the beam at which he came in and stands in the other one alone.
    private var hasLeft = false
    /// The beam at which he came in is broken again while the other one is.
    private var isFollowed = false
    /// The other beam is free again: he walked, or stepped back and was no two.
    private var isUndecided = false
    private var gap: (heading: PassageDirection, until: MonotonicTime)?

    /// A beam was broken or is free again. The beam that is broken first by who walks forward has `forward`. Returns which
    /// way somebody walked, when he has.
    mutating func change(_ beam: PassageDirection, isBroken broken: Bool, at now: MonotonicTime) -> PassageDirection? {
        if beam == .forward { isBroken.from = broken } else { isBroken.to = broken }
        guard let heading else {
            if broken { comesIn(beam, at: now) }
            return nil
        }
        let isNear = beam == heading
        let isOtherBroken = beam == .forward ? isBroken.to : isBroken.from
        switch (isNear, broken) {
        case (true, false):
            if isOtherBroken { hasLeft = true } else { leaves(hasGap: !hasLeft && !isUndecided, at: now) }
            return nil
        case (true, true):
            isFollowed = hasLeft
            return nil
        case (false, true):
            guard isUndecided else { return nil }
            (hasLeft, isFollowed, isUndecided) = (false, false, false)
            return heading
        case (false, false):
            guard isOtherBroken else {
                leaves(hasGap: false, at: now)
                return heading
            }
            if isFollowed { (hasLeft, isFollowed, isUndecided) = (false, false, true) }
            return nil
        }
    }

    private mutating func comesIn(_ beam: PassageDirection, at now: MonotonicTime) {
        if let gap, now < gap.until, gap.heading != beam {
            // The thin one of just now goes on.
            heading = gap.heading
            hasLeft = true
        } else {
            heading = beam
        }
        gap = nil
    }

    private mutating func leaves(hasGap: Bool, at now: MonotonicTime) {
        if hasGap, let heading { gap = (heading, now.advanced(byMilliseconds: Self.gapMilliseconds)) }
        heading = nil
        (hasLeft, isFollowed, isUndecided) = (false, false, false)
    }
}
