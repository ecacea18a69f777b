//! The functions: names, what they take, what they give.
//!
//! Invariant: a call that [`Function::gives`] accepts can be evaluated. Refuses wrong numbers and
//! kinds of arguments.

use super::expression::{Kind, Node};

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[$each])* #[doc = concat!("`", $name, "`")] $variant,)* }

        impl $type {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The one of a name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names! {
    /// A function.
    Function {
        Abs = "ABS", Avg = "AVG", Sum = "SUM", Min = "MIN", Max = "MAX", Stddev = "STDDEV",
        Ceil = "CEIL", Floor = "FLOOR", Log = "LOG", Log10 = "LOG10",
        Diff = "DIFF", DiffTime = "DIFF_TIME", Rate = "RATE", RunningSum = "RUNNING_SUM",
        Period = "PERIOD", Fill = "FILL", If = "IF",
        Metrics = "METRICS", MetricCount = "METRIC_COUNT", DatapointCount = "DATAPOINT_COUNT",
        TimeSeries = "TIME_SERIES", First = "FIRST", Last = "LAST",
        Sort = "SORT", Slice = "SLICE", RemoveEmpty = "REMOVE_EMPTY",
        Minute = "MINUTE", Hour = "HOUR", Day = "DAY", Date = "DATE", Month = "MONTH",
        Year = "YEAR", Epoch = "EPOCH",
    }
}

names! {
    /// A word that is an argument.
    Word {
        Repeat = "REPEAT", Linear = "LINEAR", Ascending = "ASC", Descending = "DESC",
        Avg = "AVG", Sum = "SUM", Min = "MIN", Max = "MAX",
    }
}

/// What an argument must be, in words and as a test.
type Wanted = (&'static str, fn(&Node, Option<Kind>) -> bool);

const SCALAR: Wanted = ("a number", |_, kind| kind == Some(Kind::Scalar));
const SERIES: Wanted = ("a time series", |_, kind| kind == Some(Kind::Series));
const ARRAY: Wanted = ("several time series", |_, kind| kind == Some(Kind::Array));
const ANY: Wanted = ("a number or time series", |_, kind| kind.is_some());
const SOME: Wanted = ("one or several time series", |_, kind| {
    matches!(kind, Some(Kind::Series | Kind::Array))
});
const ONE: Wanted = ("a number or one time series", |_, kind| {
    matches!(kind, Some(Kind::Scalar | Kind::Series))
});
const ID: Wanted = ("the name of a metric", |node, _| {
    matches!(node, Node::Id(_))
});
const TEXT: Wanted = ("a text in quotes", |node, _| matches!(node, Node::Text(_)));
const COUNT: Wanted = (
    "a whole number",
    |node, _| matches!(node, Node::Number(n) if n.fract() == 0.0 && *n <= 1000.0),
);
const FILLING: Wanted = ("a number, a time series, REPEAT or LINEAR", |node, kind| {
    matches!(kind, Some(Kind::Scalar | Kind::Series))
        || matches!(node, Node::Word(Word::Repeat | Word::Linear))
});
const SORTING: Wanted = ("AVG, SUM, MIN or MAX", |node, _| {
    matches!(
        node,
        Node::Word(Word::Avg | Word::Sum | Word::Min | Word::Max)
    )
});
const ORDER: Wanted = ("ASC or DESC", |node, _| {
    matches!(node, Node::Word(Word::Ascending | Word::Descending))
});

impl Function {
    /// Arguments it needs, then those it may have.
    fn signature(self) -> (&'static [Wanted], &'static [Wanted]) {
        match self {
            Self::Abs | Self::Ceil | Self::Floor | Self::Log | Self::Log10 => (&[ANY], &[]),
            Self::Avg | Self::Sum | Self::Min | Self::Max | Self::Stddev => (&[ANY], &[]),
            Self::Diff | Self::DiffTime | Self::Rate | Self::RunningSum => (&[SOME], &[]),
            Self::DatapointCount | Self::RemoveEmpty => (&[SOME], &[]),
            Self::Period => (&[ID], &[]),
            Self::Fill => (&[SOME, FILLING], &[]),
            Self::If => (&[ONE, ONE], &[ONE]),
            Self::Metrics => (&[], &[TEXT]),
            Self::MetricCount | Self::First | Self::Last => (&[ARRAY], &[]),
            Self::TimeSeries => (&[SCALAR], &[]),
            Self::Sort => (&[ARRAY, SORTING, ORDER], &[COUNT]),
            Self::Slice => (&[ARRAY, COUNT], &[COUNT]),
            Self::Minute | Self::Hour | Self::Day | Self::Date => (&[SERIES], &[]),
            Self::Month | Self::Year | Self::Epoch => (&[SERIES], &[]),
        }
    }

    /// What a call gives; otherwise which argument (from 0) is wrong and what was expected there.
    /// `kinds` are those of the arguments; texts and words have none.
    pub(super) fn gives(
        self,
        arguments: &[Node],
        kinds: &[Option<Kind>],
    ) -> Result<Kind, (usize, &'static str)> {
        let (needed, more) = self.signature();
        let wanted = needed.iter().chain(more);
        let pairs = arguments.iter().zip(kinds).zip(wanted).enumerate();
        for (i, ((node, kind), (words, test))) in pairs {
            if !test(node, *kind) {
                return Err((i, words));
            }
        }
        if let Some((words, _)) = needed.get(arguments.len()) {
            return Err((arguments.len(), words));
        }
        if arguments.len() > needed.len() + more.len() {
            return Err((needed.len() + more.len(), "`)`"));
        }
        Ok(self.kind(kinds))
    }

    fn kind(self, kinds: &[Option<Kind>]) -> Kind {
        let first = kinds.first().copied().flatten().unwrap_or(Kind::Scalar);
        match self {
            Self::Avg | Self::Sum | Self::Min | Self::Max | Self::Stddev | Self::DatapointCount => {
                match first {
                    Kind::Array => Kind::Series,
                    Kind::Scalar | Kind::Series => Kind::Scalar,
                }
            }
            Self::If if kinds.contains(&Some(Kind::Series)) => Kind::Series,
            Self::If | Self::Period | Self::MetricCount => Kind::Scalar,
            Self::Metrics | Self::Sort | Self::Slice => Kind::Array,
            Self::TimeSeries | Self::First | Self::Last => Kind::Series,
            _ => first,
        }
    }
}
