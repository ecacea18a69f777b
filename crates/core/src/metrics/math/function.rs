//! Names of the functions and of the words that are arguments.

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$each:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $type { $($(#[$each])* #[doc = concat!("`", $name, "`")] $variant,)* }

        impl $type {
            /// All of them, in the order of their definition.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in an expression.
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
    /// A function of metric math.
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
