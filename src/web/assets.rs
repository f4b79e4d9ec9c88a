//! What the pages need beside their markup: one style sheet, one script, one mark. They are inside the binary.
//!
//! An asset's address has a hash of its bytes in it, so it may be cached for ever: a new version has a new address.
//! Nothing is ever read from disk or fetched from elsewhere.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

/// A file of `static/`.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name.
    pub name: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What it is.
    pub bytes: &'static [u8],
}

/// How long a browser keeps an asset: as long as it likes.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

static ASSETS: [Asset; 3] = [
    Asset { name: "app.css", media_type: "text/css; charset=utf-8", bytes: include_bytes!("../../static/app.css") },
    Asset {
        name: "app.js",
        media_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("../../static/app.js"),
    },
    Asset { name: "mark.svg", media_type: "image/svg+xml", bytes: include_bytes!("../../static/mark.svg") },
];

static HREFS: LazyLock<Vec<String>> =
    LazyLock::new(|| ASSETS.iter().map(|asset| format!("/static/{:016x}/{}", asset.hash(), asset.name)).collect());

impl Asset {
    fn hash(&self) -> u64 {
        // Its keys are fixed: the same bytes have the same address in every process of this build.
        let mut hasher = DefaultHasher::new();
        self.bytes.hash(&mut hasher);
        hasher.finish()
    }
}

/// The address of the asset with this name, which is one of the table above.
pub fn href(name: &str) -> &'static str {
    let at = ASSETS.iter().position(|asset| asset.name == name).expect("pages name assets of the table");
    &HREFS[at]
}

/// The asset at this path; none for an unknown name and for the hash of another version.
pub fn find(path: &str) -> Option<&'static Asset> {
    HREFS.iter().position(|href| href == path).map(|at| &ASSETS[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asset_is_found_at_its_own_address_only() {
        for asset in &ASSETS {
            assert_eq!(find(href(asset.name)).unwrap().name, asset.name);
        }
        assert!(find("/static/0000000000000000/app.css").is_none());
        assert!(find("/static/app.css").is_none());
        assert!(find(&format!("{}/", href("app.js"))).is_none());
    }

    #[test]
    fn assets_are_small() {
        let size = |name: &str| ASSETS.iter().find(|asset| asset.name == name).unwrap().bytes.len();
        assert!(size("app.js") <= 12 * 1024, "{}", size("app.js"));
        assert!(size("app.css") <= 24 * 1024, "{}", size("app.css"));
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for asset in &ASSETS {
            let text = std::str::from_utf8(asset.bytes).unwrap().replace("http://www.w3.org/2000/svg", "");
            assert!(!text.contains("//") || !text.contains("http"), "{}", asset.name);
            assert!(!text.contains("@import"), "{}", asset.name);
        }
    }
}
